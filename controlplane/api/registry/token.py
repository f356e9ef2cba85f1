"""``/apis/slipway.dev/v1/registry/token``: distribution's token service, for docker, podman, skopeo, buildah and our nodes.

``GET`` with Basic authentication (https://distribution.github.io/distribution/spec/auth/token/) and ``POST`` with a form
(…/auth/oauth/, grant types ``password`` and ``refresh_token``). Who has no right that they ask for gets a token without it, as
specified; but who asks to push or to delete and may not, or gets nothing at all, is told so here and now: 403, naming the
repository. What was asked for and granted is in the log ``slipway.audit``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.http import HttpRequest, JsonResponse

from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.api.base import Labels
from controlplane.registry import login, rights, tokens
from controlplane.registry.errors import BadScope, Denied
from controlplane.registry.login import Caller
from controlplane.registry.scopes import PULL, Scope, parse
from schema import meta

audit = logging.getLogger("slipway.audit")

SERVICES = (tokens.SERVICE, tokens.CACHE_SERVICE, tokens.PEER_SERVICE)
_CODES = {400: "UNSUPPORTED", 401: "UNAUTHORIZED", 403: "DENIED", 405: "UNSUPPORTED", 429: "TOOMANYREQUESTS"}


def view(request: HttpRequest) -> JsonResponse:
    if request.method not in ("GET", "POST"):
        return _refusal(405, "GET and POST are understood")
    try:
        response = _get(request) if request.method == "GET" else _post(request)
    except BadScope as error:
        response = _refusal(400, str(error))
    except Unauthenticated:
        audit.warning("registry: log-in from %s refused", _address(request))
        response = _refusal(401, "unknown user, wrong password, or a token that is not valid (any more)")
        response["WWW-Authenticate"] = 'Basic realm="slipway"'
    except TooManyFailures as error:
        response = _refusal(429, str(error))
        response["Retry-After"] = str(error.retry_seconds)
    except Denied as error:
        audit.warning("registry: %s (from %s)", error, _address(request))
        response = _refusal(403, str(error))
    response["Cache-Control"] = "no-store"
    response.labels = Labels("get", "registry.slipway.dev", "token")  # type: ignore[attr-defined] # for metrics
    return response


def _get(request: HttpRequest) -> JsonResponse:
    scopes = parse(request.GET.getlist("scope"))
    service = _service(request.GET.get("service", ""))
    caller = login.by_header(request)
    if caller is None:
        raise Unauthenticated
    return _answer(request, caller, scopes, service)


def _post(request: HttpRequest) -> JsonResponse:
    form = request.POST
    scopes = parse(form.getlist("scope"))
    service = _service(form.get("service", ""))
    match form.get("grant_type"):
        case "password":
            caller = login.by_password(request, str(form.get("username", "")), str(form.get("password", "")))
        case "refresh_token":
            caller = login.by_token(request, str(form.get("refresh_token", "")))
        case _:
            raise BadScope("grant_type: password and refresh_token are understood")
    return _answer(request, caller, scopes, service)


def _service(name: str | None) -> str:
    if name and name not in SERVICES:
        raise BadScope(f"service: {name[:100]!r} is none of {', '.join(SERVICES)}")
    return name or tokens.SERVICE


def _answer(request: HttpRequest, caller: Caller, asked: Sequence[Scope], service: str) -> JsonResponse:
    given = [_granted(caller, scope, service) for scope in asked]
    _check(caller, asked, given)
    life = tokens.LIFE if caller.grant is None else min(tokens.LIFE, max(caller.grant.left, timedelta(seconds=1)))
    kept = [scope for scope in given if scope.actions]
    if asked:
        words = " ".join(str(scope) for scope in kept) or "nothing"
        audit.info("registry: %s gets %s (from %s)", caller.name, words, _address(request))
    token = tokens.sign(caller.name, kept, service=service, life=life)
    return JsonResponse(
        {
            "token": token,
            "access_token": token,
            "expires_in": int(life.total_seconds()),
            "issued_at": meta.format_time(meta.now()),
            "scope": " ".join(str(scope) for scope in kept),
        }
    )


def _granted(caller: Caller, scope: Scope, service: str) -> Scope:
    if service == tokens.CACHE_SERVICE:
        return rights.in_cache(scope)
    if caller.identity is not None:
        return rights.granted(caller.identity, scope)
    granted = caller.grant.actions(scope.type, scope.name) if caller.grant is not None else ()
    return Scope(scope.type, scope.name, tuple(action for action in scope.actions if action in granted))


def _check(caller: Caller, asked: Sequence[Scope], given: Sequence[Scope]) -> None:
    """A client that names a repository only to mount layers from it asks for ``pull``: not getting that is no failure as
    long as it gets something else."""
    nothing = bool(asked) and not any(scope.actions for scope in given)
    for wanted, got in zip(asked, given, strict=True):
        missing = tuple(action for action in wanted.actions if action not in got.actions)
        if missing and (nothing or any(action != PULL for action in missing)):
            raise Denied(_why_not(caller, Scope(wanted.type, wanted.name, missing)))


def _why_not(caller: Caller, missing: Scope) -> str:
    if caller.identity is not None:
        return rights.why_not(caller.identity, missing)
    return f"the token of {caller.name} does not let {','.join(missing.actions)} {missing.type} {missing.name}"


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) or "an unknown address"


def _refusal(status: int, message: str) -> JsonResponse:
    """As registries say it, and for clients that only know ``details``."""
    body = {"errors": [{"code": _CODES[status], "message": message, "detail": None}], "details": message}
    return JsonResponse(body, status=status)
