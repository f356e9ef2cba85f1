"""Who sent this request? For Django requests, DRF views and WebSockets alike.

Two credentials are known. A bearer token (`access.tokens`) wins where one is given. A login session's cookie is for the
dashboard; a browser sends it along with requests that other sites make, so it counts only with a CSRF token (for
methods that change something) or, on a WebSocket, with an Origin that is this server.

Nothing here ever lets an unknown request through as somebody: no credential is `Unauthenticated`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from controlplane.access import throttle, tokens, users
from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.access.identity import Identity
from controlplane.store import pool

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

Scope = Mapping[str, Any]
"""An ASGI connection scope."""


def identify(request: HttpRequest) -> Identity:
    """Raises `Unauthenticated`, `TooManyFailures`, and `CsrfFailed` for a session without its CSRF token. Sync."""
    header = request.META.get("HTTP_AUTHORIZATION")
    if header:
        return identify_bearer(header, str(request.META.get("REMOTE_ADDR", "")))
    return identify_session(request)


def recall(authorization: str | None) -> Identity | None:
    """The holder of a bearer token that was checked within the last seconds; no database, safe on an event loop."""
    token = bearer(authorization)
    return tokens.recall(token) if token else None


def identify_bearer(authorization: str, address: str) -> Identity:
    """The holder of ``Authorization: Bearer …``. ``address`` is the peer's, for counting guesses."""
    token = bearer(authorization)
    if token is None:
        raise Unauthenticated
    known = tokens.recall(token)
    if known is not None:
        return known
    if not tokens.was_valid(token):
        throttle.tokens.check(address)
    found = tokens.authenticate(token)
    if found is None:
        throttle.tokens.record(address)
        raise Unauthenticated
    return found


def identify_session(request: HttpRequest) -> Identity:
    """The user who is logged in; checks the CSRF token of anything but a read."""
    user = auth.get_user(request) if hasattr(request, "session") else None
    if not isinstance(user, User) or not user.is_active:
        raise Unauthenticated
    if request.method not in SAFE_METHODS:
        _check_csrf(request)
    return users.identity_of(user)


async def identify_scope(scope: Scope) -> Identity:
    """Who dials this WebSocket: its bearer token, or its session cookie if the page that dials is our own."""
    headers = headers_of(scope)
    authorization = headers.get("authorization")
    if authorization:
        known = recall(authorization)
        if known is not None:
            return known
        found: Identity = await pool.run(identify_bearer, authorization, _address(scope))
        return found
    if not same_origin(headers):
        raise Unauthenticated
    key = _session_key(headers.get("cookie", ""))
    if not key:
        raise Unauthenticated
    user: Identity = await pool.run(_identify_session_key, key)
    return user


def credential_of(scope: Scope) -> bytes:
    """Digest of the bearer token that this connection came with, to check again while it lives; empty without one."""
    token = bearer(headers_of(scope).get("authorization"))
    return tokens.digest_of(token) if token else b""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case; of a repeated one the last, as for the fields we read there is only one."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a page of this very server sends this. No Origin at all is no browser, so no cookie should be there."""
    origin, host = headers.get("origin", ""), headers.get("host", "")
    parts = urlsplit(origin)
    return (
        bool(host) and parts.scheme in {"http", "https"} and hmac.compare_digest(parts.netloc.encode(), host.encode())
    )


class CsrfFailed(Exception):
    """The session's cookie came without the CSRF token that only our own pages know."""


class BearerAuthentication(BaseAuthentication):
    """For DRF views. ``request.user`` becomes an `Identity`."""

    def authenticate(self, request: Request) -> tuple[Identity, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        try:
            return identify_bearer(header, str(request.META.get("REMOTE_ADDR", ""))), None
        except TooManyFailures as error:
            raise exceptions.Throttled(wait=error.retry_seconds) from None
        except Unauthenticated as error:
            raise exceptions.AuthenticationFailed(str(error)) from None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="slipway"'


class SessionAuthentication(BaseAuthentication):
    """For DRF views behind Django's session middleware."""

    def authenticate(self, request: Request) -> tuple[Identity, None] | None:
        try:
            return identify_session(request._request), None
        except Unauthenticated:
            return None
        except CsrfFailed as error:
            raise exceptions.PermissionDenied(str(error)) from None


class _CsrfCheck(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        """Django would render a page here; the reason is all that we need."""
        return HttpResponse(reason, status=403)


def _check_csrf(request: HttpRequest) -> None:
    # The view is exempt for Django's own middleware, as tokens need no such check; so the mark it leaves is undone here.
    check = _CsrfCheck(lambda _: HttpResponse())
    check.process_request(request)
    refusal = check.process_view(request, lambda _: HttpResponse(), (), {})
    if refusal is not None:
        raise CsrfFailed("CSRF check failed: " + refusal.content.decode())


def bearer(authorization: str | None) -> str | None:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _session_key(cookie: str) -> str:
    try:
        morsel = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _identify_session_key(key: str) -> Identity:
    request = HttpRequest()
    request.method = "GET"
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return identify_session(request)
