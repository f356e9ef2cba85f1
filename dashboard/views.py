"""The page, and the login it needs. Everything else the dashboard shows comes from the public API."""

from __future__ import annotations

import json
from http import HTTPStatus

from django.contrib.auth import alogin, alogout
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.views import View

from controlplane.access import throttle, users
from dashboard import assets

# Mantine sets its custom properties through style attributes; scripts come from our own files only.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def index(request: HttpRequest, path: str = "") -> HttpResponse:
    """The one page; which view it shows is its own affair (deep links)."""
    try:
        built = assets.load()
    except assets.NotBuilt as error:
        return HttpResponse(f"{error}\n", status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain")
    response = render(request, "dashboard/index.html", {"assets": built})
    response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response["Cache-Control"] = "no-store"
    return response
