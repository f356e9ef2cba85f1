"""What a request can come to, each the Status object that clients know by its reason and code.

ApiError
├── BadRequest              400  unreadable body, bad selector, strict decoding
├── Unauthorized            401
├── Forbidden               403
├── NotFound                404
├── MethodNotAllowed        405
├── NotAcceptable           406
├── AlreadyExists           409
├── Conflict                409
├── Expired                 410  a watch or a list token too far back
├── BodyTooLarge            413
├── UnsupportedMediaType    415
├── OutOfRange              416  a piece that does not follow the one before
├── Invalid                 422  carries causes that name the field
├── TooManyRequests         429  carries retryAfterSeconds
├── InternalError           500
├── ServiceUnavailable      503  carries retryAfterSeconds
├── Timeout                 504  a revision that is not there yet
└── InsufficientStorage     507  the control plane's disk is full

`from_exception` is the one place where the errors of other packages become these.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence

from django.core import exceptions as django
from django.db import DatabaseError, DataError, InterfaceError, OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as drf

from controlplane.access import errors as access
from controlplane.api import patching
from controlplane.store import errors as store
from schema import selectors
from schema.base import Wire
from schema.kinds import Kind
from schema.validation import Cause, Problems


class ApiError(Exception):
    code = 500
    reason = "InternalError"

    def __init__(self, message: str, *, details: Wire | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.retry_after_seconds = retry_after_seconds
        if retry_after_seconds is not None:
            self.details["retryAfterSeconds"] = retry_after_seconds

    def status(self) -> Wire:
        body: Wire = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body

    def headers(self) -> dict[str, str]:
        """Clients retry a 429 or 5xx only where Retry-After asks them to."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


class BadRequest(ApiError):
    code, reason = 400, "BadRequest"


class Unauthorized(ApiError):
    code, reason = 401, "Unauthorized"


class Forbidden(ApiError):
    code, reason = 403, "Forbidden"


class NotFound(ApiError):
    code, reason = 404, "NotFound"


class MethodNotAllowed(ApiError):
    code, reason = 405, "MethodNotAllowed"


class NotAcceptable(ApiError):
    code, reason = 406, "NotAcceptable"


class AlreadyExists(ApiError):
    code, reason = 409, "AlreadyExists"


class Conflict(ApiError):
    code, reason = 409, "Conflict"


class Expired(ApiError):
    code, reason = 410, "Expired"


class BodyTooLarge(ApiError):
    code, reason = 413, "RequestEntityTooLarge"


class OutOfRange(ApiError):
    code, reason = 416, "BadRequest"


class InsufficientStorage(ApiError):
    code, reason = 507, "InternalError"


class UnsupportedMediaType(ApiError):
    code, reason = 415, "UnsupportedMediaType"


class Invalid(ApiError):
    code, reason = 422, "Invalid"


class TooManyRequests(ApiError):
    code, reason = 429, "TooManyRequests"


class InternalError(ApiError):
    pass


class ServiceUnavailable(ApiError):
    code, reason = 503, "ServiceUnavailable"


class Timeout(ApiError):
    code, reason = 504, "Timeout"


_BY_CODE: dict[int, type[ApiError]] = {
    error.code: error
    for error in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        NotAcceptable,
        Conflict,
        Expired,
        BodyTooLarge,
        UnsupportedMediaType,
        Invalid,
        TooManyRequests,
        InternalError,
        ServiceUnavailable,
    )
}


def of_code(code: int, message: str) -> ApiError:
    return _BY_CODE.get(code, BadRequest)(message)


def resource_name(kind: Kind) -> str:
    """``pods`` or ``deployments.apps``: how messages name a resource."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def details(kind: Kind, name: str, *, uid: str = "") -> Wire:
    found: Wire = {"name": name, "kind": kind.plural}
    if kind.group:
        found["group"] = kind.group
    if uid:
        found["uid"] = uid
    return {key: value for key, value in found.items() if value}


def unknown_path() -> NotFound:
    return NotFound("the server could not find the requested resource")


def not_found(kind: Kind, name: str) -> NotFound:
    return NotFound(f'{resource_name(kind)} "{name}" not found', details=details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> Conflict:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource_name(kind)} "{name}": {why}'
    return Conflict(message, details=details(kind, name))


def invalid(kind: Kind, name: str, causes: Sequence[Cause]) -> Invalid:
    """422 with one cause for each field at fault."""
    sentences = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    title = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    about: Wire = {"name": name, "group": kind.group, "kind": kind.kind}
    about["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    shown = {key: value for key, value in about.items() if value}
    return Invalid(f'{title} "{name}" is invalid: {joined}', details=shown)


def forbidden(verb: str, kind: Kind, *, user: str, namespace: str, name: str, subresource: str) -> Forbidden:
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    what = f'{resource_name(kind)} "{name}"' if name else resource_name(kind)
    message = (
        f'{what} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}"{where}'
    )
    return Forbidden(message, details=details(kind, name))


def from_exception(error: Exception, kind: Kind | None = None, name: str = "") -> ApiError | None:
    """The ApiError that an expected exception stands for; None where it is a defect of ours."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, store.StoreError):
        return _from_store(error, kind, name)
    if isinstance(error, access.TooManyFailures):
        return TooManyRequests(str(error), retry_after_seconds=error.retry_seconds)
    if isinstance(error, access.InvalidName):
        return Invalid(str(error))
    if isinstance(error, patching.PatchError):
        return _BY_CODE.get(error.status, BadRequest)(error.message)
    if isinstance(error, selectors.SelectorError):
        return BadRequest(str(error))
    if isinstance(error, Http404):
        return unknown_path()
    if isinstance(error, django.RequestDataTooBig):
        return too_large()
    if isinstance(error, _UNREADABLE):
        return BadRequest("the request cannot be read: " + (str(error).splitlines() or [type(error).__name__])[0])
    if isinstance(error, DatabaseError) and is_full(error):
        return InsufficientStorage("the control plane's disk is full: nothing of this was stored")
    if isinstance(error, OperationalError | InterfaceError):
        return ServiceUnavailable("the database does not answer; try again", retry_after_seconds=1)
    if isinstance(error, drf.APIException):
        return _from_framework(error)
    return None


_UNREADABLE = (django.SuspiciousOperation, django.BadRequest, MultiPartParserError, UnicodeError, DataError)
_DISK_FULL = "53100"
"""PostgreSQL's code for it."""


def is_full(error: DatabaseError) -> bool:
    """Whether the database had no room, in the words of its driver."""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == _DISK_FULL


def too_large() -> BodyTooLarge:
    return BodyTooLarge("Request entity too large: limit is 3145728")


def _from_store(error: store.StoreError, kind: Kind | None, name: str) -> ApiError:
    kind, name = error.kind or kind, error.name or name
    about = details(kind, name) if kind else None
    if isinstance(error, store.NotFound):
        return NotFound(str(error), details=about)
    if isinstance(error, store.AlreadyExists):
        return AlreadyExists(str(error), details=about)
    if isinstance(error, store.Conflict):
        return Conflict(str(error), details=about)
    if isinstance(error, store.Expired):
        return Expired(str(error))
    if isinstance(error, store.NotNow):
        causes = [{"reason": error.cause, "message": error.detail}]
        told = {**(about or {}), "causes": causes}
        return TooManyRequests(str(error), details=told, retry_after_seconds=error.retry_after_seconds)
    if isinstance(error, store.Forbidden):
        return Forbidden(str(error), details=_with_cause(about, error))
    if isinstance(error, store.Invalid) and error.field and kind:
        problems = Problems()
        problems.invalid(error.field, error.value, error.message)
        return invalid(kind, name, problems.causes)
    return Invalid(str(error), details=about)


def _with_cause(about: Wire | None, error: store.Forbidden) -> Wire | None:
    if not error.cause:
        return about
    return {**(about or {}), "causes": [{"reason": error.cause, "message": str(error), "field": error.field}]}


def _from_framework(error: drf.APIException) -> ApiError:
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        return Unauthorized("Unauthorized")
    wait = getattr(error, "wait", None)
    after = math.ceil(wait) if isinstance(wait, int | float) else None
    return _BY_CODE.get(error.status_code, InternalError)(str(error.detail), retry_after_seconds=after)
