"""The page, and the login it needs. Everything else the dashboard shows comes from the public API."""

from __future__ import annotations

import json
import logging
import secrets
from http import HTTPStatus

import orjson
from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views import View

from controlplane.api import errors
from dashboard import assets

log = logging.getLogger(__name__)

RESERVED = "api|apis|openapi|static|ws|agent|session|metrics|version|livez|readyz|healthz|v2"
"""First words of addresses that are never pages, whoever serves them."""


def index(request: HttpRequest, path: str = "") -> HttpResponse:
    """The one page; which view it shows is its own affair (deep links). Only browsers get it: others see a 404."""
    if path and "text/html" not in request.headers.get("Accept", ""):
        raise Http404
    try:
        built = assets.load()
    except assets.NotBuilt as error:
        return HttpResponse(f"{error}\n", status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain")
    nonce = secrets.token_urlsafe(16)
    response = render(request, "dashboard/index.html", _shown(request, built, nonce))
    response["Content-Security-Policy"] = _policy(nonce)
    response["Cache-Control"] = "no-store"
    return response


def _shown(request: HttpRequest, built: assets.Assets, nonce: str) -> dict[str, object]:
    """With what ``GET /session`` answers, which the page would ask for before anything else."""
    return {
        "assets": built,
        "boot": assets.BOOT,
        "nonce": nonce,
        "session": json.dumps(_who(request)),
        "api_port": settings.API_PORT or "",
    }


def _policy(nonce: str) -> str:
    """Scripts come from our own files only, and the one that loads them. Mantine and xterm make styles while they run; those
    carry the nonce."""
    return (
        f"default-src 'none'; script-src 'self' '{assets.BOOT_HASH}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


_NO_MATCH = "This user name and password do not match."


class SessionView(View):
    """``/session``: who is signed in (GET), sign in (POST), sign out (DELETE). Each answer brings the CSRF token to send."""

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except DatabaseError as error:
            log.warning("%s /session: %s", request.method, error)
            known = errors.from_exception(error) or errors.InternalError("an internal error occurred")
            return _failure(HTTPStatus(known.code), known.message)

    def get(self, request: HttpRequest) -> JsonResponse:
        return _session(request)

    def post(self, request: HttpRequest) -> JsonResponse:
        try:
            body = orjson.loads(request.body)
            username, password = str(body["username"]), str(body["password"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _failure(HTTPStatus.BAD_REQUEST, "the body must be a JSON object with username and password")
        if "\0" in username:  # nobody's, and no database takes it
            return _failure(HTTPStatus.UNAUTHORIZED, _NO_MATCH)
        user = authenticate(request, username=username, password=password)
        if user is None:
            return _failure(HTTPStatus.UNAUTHORIZED, _NO_MATCH)
        login(request, user)
        request.session.clear_expired()  # nothing else ever removes what has ended
        return _session(request)

    def delete(self, request: HttpRequest) -> JsonResponse:
        logout(request)
        return _session(request)


def _session(request: HttpRequest) -> JsonResponse:
    response = JsonResponse(_who(request))
    response["Cache-Control"] = "no-store"
    return response


def _who(request: HttpRequest) -> dict[str, str]:
    user = request.user.get_username() if request.user.is_authenticated else ""
    return {"user": user, "csrfToken": get_token(request)}


def _failure(code: HTTPStatus, message: str) -> JsonResponse:
    """A Status, as the API answers."""
    return JsonResponse(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}, status=code
    )
