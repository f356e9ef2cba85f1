"""``/apis/slipway.dev/v1/registry``: where the cluster's registry is and how it fares. For whoever may log in."""

from __future__ import annotations

import http.client
import ssl

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.base import ApiView
from controlplane.api.registry.answers import API_VERSION
from controlplane.registry import catalogue, collection, setting
from controlplane.registry.models import Collection
from schema.base import Wire

DEADLINE_SECONDS = 2.0
LITTLE_BYTES = 32 * 1024 * 1024


class StatusView(ApiView):
    def get(self, request: Request) -> Response:
        document: Wire = {"apiVersion": API_VERSION, "kind": "Registry", "metadata": {"name": "registry"}}
        if not setting.enabled():
            return Response({**document, "spec": {"enabled": False}, "status": {}})
        ports = setting.caches(settings.REGISTRY_CACHES, settings.REGISTRY_PORT)
        mirrors = [{"host": one.host, "upstream": one.upstream, "port": one.port} for one in ports]
        spec = {"enabled": True, "address": setting.address(), "aliases": setting.aliases(), "caches": mirrors}
        problem, free = trouble(setting.address()), catalogue.storage().free_bytes()
        status: Wire = {"ready": not problem, "freeBytes": free}
        if not problem and free < LITTLE_BYTES:
            problem = f"its disk is full ({free} bytes are left): pushes fail; `manage.py registry-gc` may make room"
        if problem:
            status["message"] = problem
        last = Collection.objects.exclude(finished=None).order_by("-pk").first()
        if last is not None:
            status["lastCollection"] = collection.wire(last)["status"]
        return Response({**document, "spec": spec, "status": status})


def trouble(address: str) -> str:
    """Why the registry does not answer; empty where it does. It asks for a token, as it should."""
    host, _, port = address.rpartition(":")
    try:
        context = ssl.create_default_context(cafile=str(settings.HOME / "pki" / "ca.crt"))
        connection = http.client.HTTPSConnection(host.strip("[]"), int(port), timeout=DEADLINE_SECONDS, context=context)
        try:
            connection.request("GET", "/v2/")
            code = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"the registry at {address} does not answer: {error}"
    return "" if code == http.client.UNAUTHORIZED else f"the registry at {address} answers {code}: its log says more"
