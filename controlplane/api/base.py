"""What all API views share: who asks, how bodies are read, and that every failure becomes a Status."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from controlplane.access.authentication import BearerAuthentication, SessionAuthentication
from controlplane.access.identity import Identity
from controlplane.api import errors, parsers, query, rendering
from controlplane.api.bodies import Body, no_duplicates
from schema.kinds import Kind

log = logging.getLogger(__name__)

MAX_WARNING_BYTES = 4096


@dataclass(frozen=True)
class Labels:
    """What a request was, as metrics count it."""

    verb: str
    resource: str = ""
    subresource: str = ""


class ApiView(APIView):
    """Closed unless a view says `public`: without an identity nothing is answered."""

    authentication_classes = [BearerAuthentication, SessionAuthentication]
    renderer_classes = [rendering.Renderer]
    content_negotiation_class = parsers.Negotiation
    http_method_names = ["get", "head"]
    public = False

    kind: Kind | None = None
    name = ""
    warnings: list[str]

    def get_parsers(self) -> list[BaseParser]:
        offered = parsers.PATCHES if self.request.method == "PATCH" else parsers.OBJECTS
        return [parser() for parser in offered]

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        self.warnings = []
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not self.public and request.user is None:
            raise errors.Unauthorized("Unauthorized")
        query.check(request.query_params)
        if any(name.startswith("HTTP_IMPERSONATE_") for name in request.META):
            # Ignored, it would do with the caller's own rights what was meant to be tried with another's.
            raise errors.Forbidden("impersonation is not supported")

    @property
    def identity(self) -> Identity:
        found = self.request.user
        if not isinstance(found, Identity):
            raise errors.Unauthorized("Unauthorized")
        return found

    @property
    def body(self) -> Body | None:
        """The parsed body; None where there is none."""
        data = self.request.data
        return data if isinstance(data, Body) else None

    def required_body(self) -> Body:
        return self.body or Body(None, no_duplicates)

    def handle_exception(self, exc: Exception) -> Response:
        error = errors.from_exception(exc, self.kind, self.name)
        if error is None:
            log.exception("%s %s failed", self.request.method, self.request.path)
            error = errors.InternalError("an internal error occurred; the server's log says more")
        elif error.code >= 500:
            log.warning("%s %s: %s", self.request.method, self.request.path, exc)
        response = Response(error.status(), status=error.code, headers=error.headers())
        if error.code == 401:
            response["WWW-Authenticate"] = 'Bearer realm="slipway"'
        response.exception = True
        return response

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")

    def labels(self) -> Labels:
        return Labels(str(self.request.method).lower())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Whatever kind of response: streams are none of DRF's."""
        final: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        final["Cache-Control"] = final.get("Cache-Control", "no-cache, private")
        final.labels = self.labels()  # type: ignore[attr-defined] # for metrics, read by the handler
        if self.warnings:
            final["Warning"] = ", ".join(_fitting(warning_header(text) for text in dict.fromkeys(self.warnings)))
        return final


def _fitting(headers: Iterable[str]) -> Iterator[str]:
    """As many as fit: clients and proxies limit the size of headers."""
    room = MAX_WARNING_BYTES
    for header in headers:
        room -= len(header)
        if room < 0:
            return
        yield header


def warning_header(text: str) -> str:
    """RFC 9110 ``299 - "…"``: printable ASCII, quotes escaped. Clients split several at the commas between them."""
    plain = text.encode("ascii", "replace").decode()
    printable = "".join(letter if letter.isprintable() else " " for letter in plain)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'


def accept(request: Request) -> str:
    return request.headers.get("Accept", "")
