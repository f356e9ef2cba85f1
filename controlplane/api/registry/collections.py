"""``/apis/slipway.dev/v1/registry/collections``: garbage collections of the registry, the latest first; POST asks for one."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.api.registry.answers import API_VERSION, require_keeper
from controlplane.controllers import queue
from controlplane.registry import collection
from controlplane.registry.models import Collection


class CollectionsView(ApiView):
    http_method_names = ["get", "post"]

    def get(self, request: Request) -> Response:
        require_keeper(self, "list")
        items = [collection.wire(one) for one in Collection.objects.order_by("-pk")]
        return Response({"apiVersion": API_VERSION, "kind": "CollectionList", "metadata": {}, "items": items})

    def post(self, request: Request) -> Response:
        require_keeper(self, "create")
        record = collection.ask(self.identity.name)
        queue.default().add([collection.work(record)])
        return Response(collection.wire(record), status=202)


class CollectionView(ApiView):
    def get(self, request: Request, number: str) -> Response:
        require_keeper(self, "get")
        record = Collection.objects.filter(pk=number).first() if len(number) < 18 else None
        if record is None:
            raise errors.NotFound(f'collections.registry.slipway.dev "{number}" not found')
        return Response(collection.wire(record))
