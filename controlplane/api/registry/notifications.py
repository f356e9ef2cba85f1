"""``POST /apis/slipway.dev/v1/registry/notifications``: the registry says what was pushed and deleted.

It proves that it is the registry by a secret in its configuration, which only root may read. A notification says nothing but
"look at this repository": whoever forged one would cause a look. One that is lost is found by the next full pass.
https://distribution.github.io/distribution/about/notifications/
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterator
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from controlplane.access import authentication, throttle
from controlplane.access.errors import TooManyFailures
from controlplane.api import errors
from controlplane.api.registry.answers import refusal
from controlplane.controllers import queue, registry
from controlplane.controllers.broker import Work
from controlplane.registry import names

log = logging.getLogger(__name__)

_NEWS = frozenset({"push", "delete"})


def view(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return refusal(errors.MethodNotAllowed("notifications are sent by POST"))
    if not _is_registry(request):
        return _refuse(str(request.META.get("REMOTE_ADDR", "")))
    try:
        events = orjson.loads(request.body)["events"]
        told = set(_repositories(events))
    except (ValueError, KeyError, TypeError, AttributeError):
        return refusal(errors.BadRequest("events: a list of the registry's events is needed"))
    queue.default().add(
        Work(registry.RECONCILE, ("repository", names.namespace_of(path), names.object_name(path))) for path in told
    )
    return HttpResponse(status=200)


def _refuse(address: str) -> HttpResponse:
    """Counted as a guess; the registry itself is heard whoever else guesses from its address."""
    try:
        throttle.tokens.check(address)
    except TooManyFailures as error:
        return refusal(errors.TooManyRequests(str(error), retry_after_seconds=error.retry_seconds))
    throttle.tokens.record(address)
    return refusal(errors.Unauthorized("Unauthorized"))


def _is_registry(request: HttpRequest) -> bool:
    given = authentication.bearer(request.META.get("HTTP_AUTHORIZATION")) or ""
    return hmac.compare_digest(given.encode(), settings.REGISTRY_SECRET.encode())


def _repositories(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        path = str((event.get("target") or {}).get("repository") or "")
        if event.get("action") in _NEWS and names.is_repository(path):
            log.debug("the registry says: %s %s", event["action"], path)
            yield path
