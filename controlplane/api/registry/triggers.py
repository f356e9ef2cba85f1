"""A Trigger's address: made and revoked at ``…/triggers/<name>/secret``, used by POST to ``/apis/slipway.dev/v1/hooks/…``.

The address needs no other credential and is shown once, when it is made. Wrong ones are counted by address as wrong tokens are.
"""

from __future__ import annotations

from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization, throttle
from controlplane.access.errors import TooManyFailures
from controlplane.api import errors
from controlplane.api.base import ApiView, Labels
from controlplane.api.registry.answers import API_VERSION, SUCCESS, refusal
from controlplane.instance import address
from controlplane.registry import triggers
from controlplane.store import objects
from schema import kinds
from schema.base import Wire

LARGEST = 64 * 1024


class SecretView(ApiView):
    http_method_names = ["post", "delete"]

    def post(self, request: Request, namespace: str, name: str) -> Response:
        trigger = self._trigger(namespace, name)
        secret = triggers.issue(trigger, by=self.identity.name)
        url = f"{address.server(settings.API_PORT or 6443)}/apis/slipway.dev/v1/hooks/{trigger['metadata']['uid']}/{secret}"
        document = {
            "apiVersion": API_VERSION,
            "kind": "TriggerSecret",
            "metadata": {"name": name, "namespace": namespace},
            "status": {"url": url, "curl": f"curl --cacert ca.crt -X POST {url}"},
        }
        response = Response(document, status=201)
        response["Cache-Control"] = "no-store"
        return response

    def delete(self, request: Request, namespace: str, name: str) -> Response:
        if not triggers.revoke(self._trigger(namespace, name), by=self.identity.name):
            raise errors.NotFound(f'trigger "{name}" has no address')
        return Response(SUCCESS)

    def _trigger(self, namespace: str, name: str) -> Wire:
        """Whoever may change the Trigger may make its address."""
        self.kind, self.name = kinds.TRIGGER, name
        if not authorization.allowed(self.identity, "update", kinds.TRIGGER, namespace, name):
            user = self.identity.name
            raise errors.forbidden(
                "update", kinds.TRIGGER, user=user, namespace=namespace, name=name, subresource="secret"
            )
        return objects.get(kinds.TRIGGER, namespace, name)


def hook(request: HttpRequest, uid: str, secret: str) -> HttpResponse:
    response = _hook(request, uid, secret)
    response["Cache-Control"] = "no-store"
    response.labels = Labels("post", "hooks.slipway.dev")  # type: ignore[attr-defined] # for metrics
    return response


def _hook(request: HttpRequest, uid: str, secret: str) -> HttpResponse:
    if request.method != "POST":
        return refusal(errors.MethodNotAllowed("triggers are used by POST"))
    address = str(request.META.get("REMOTE_ADDR", ""))
    try:
        throttle.tokens.check(address)
        trigger = triggers.find(uid, secret)
        done = triggers.act(trigger, _body(request), address=address)
    except TooManyFailures as error:
        return refusal(errors.TooManyRequests(str(error), retry_after_seconds=error.retry_seconds))
    except triggers.Unknown as error:
        throttle.tokens.record(address)
        return refusal(errors.NotFound(str(error)))
    except triggers.BadRequest as error:
        return refusal(errors.BadRequest(str(error)))
    except triggers.Refused as error:
        return refusal(errors.Conflict(str(error)))
    return JsonResponse({**SUCCESS, "message": done.message})


def _body(request: HttpRequest) -> Any:
    """JSON, or a form with ``replicas``; what build systems send beside that is not looked at."""
    if len(request.body) > LARGEST:
        raise triggers.BadRequest(f"the body is longer than {LARGEST} bytes")
    if request.content_type == "application/x-www-form-urlencoded":
        given = str(request.POST.get("replicas", ""))
        return {"replicas": int(given)} if given.isdecimal() and len(given) < 10 else {}
    if not request.body:
        return {}
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise triggers.BadRequest("the body is no JSON") from None
