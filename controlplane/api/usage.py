"""``metrics.k8s.io/v1beta1``: what nodes and pods use now, as ``kubectl top`` and autoscalers ask for it.

Objects of the store (so selectors and rights mean what they mean elsewhere), joined with what their agents last said. One
that nobody has said anything of lately, because it has just started or its node is silent, is left out.
"""

from __future__ import annotations

from datetime import datetime

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors, presentation, tables
from controlplane.api.base import ApiView, Labels, accept
from controlplane.api.presentation import Form
from controlplane.api.query import ListOptions
from controlplane.metrics import current
from controlplane.metrics.current import Sample
from controlplane.metrics.errors import Unavailable
from controlplane.store import objects
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind
from schema.session import Metrics, Usage

_SOURCES = {"pods": (kinds.POD_METRICS, kinds.POD), "nodes": (kinds.NODE_METRICS, kinds.NODE)}
_KEPT = ("name", "namespace", "labels")


class UsageView(ApiView):
    """A list, in a namespace or in all, or one object."""

    verb = ""

    def initial(self, request: Request, *args: object, **kwargs: str | None) -> None:
        super().initial(request, *args, **kwargs)
        self.kind, self.source = _SOURCES[kwargs["plural"] or ""]
        self.namespace, self.name = kwargs.get("namespace") or "", kwargs.get("name") or ""
        if self.kind.namespaced is not bool(self.namespace) and (self.name or self.namespace):
            raise errors.unknown_path()
        self.verb = "get" if self.name else "list"
        if not authorization.allowed(self.identity, self.verb, self.kind, self.namespace, self.name):
            raise errors.forbidden(
                self.verb,
                self.kind,
                user=self.identity.name,
                namespace=self.namespace,
                name=self.name,
                subresource="",
            )

    def labels(self) -> Labels:
        return Labels(self.verb or str(self.request.method).lower(), str(self.kind or ""))

    def get(self, request: Request, *args: object, **kwargs: str | None) -> Response:
        kind = self._kind()
        try:
            items, revision = self._items(request)
        except Unavailable as unavailable:
            raise errors.ServiceUnavailable(str(unavailable), retry_after_seconds=5) from None
        if self.name and not items:
            missing = f'{kind.group_resource} "{self.name}" not found: nobody has told its usage lately'
            raise errors.NotFound(missing, details={"name": self.name, "group": kind.group, "kind": kind.plural})
        shown = presentation.parse(accept(request)) or presentation.Presentation()
        if shown.form is Form.TABLE:
            included = tables.include(request.query_params.get("includeObject", ""))
            found = tables.table(kind, items, {"resourceVersion": revision}, included=included, version=shown.version)
            return Response(found)
        if self.name:
            return Response(items[0])
        head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": {}}
        return Response({**head, "items": items})

    def _kind(self) -> Kind:
        kind = self.kind
        assert kind is not None  # noqa: S101 - `initial` has set it
        return kind

    def _items(self, request: Request) -> tuple[list[Wire], str]:
        if self.name:
            found, revision = [objects.get(self.source, self.namespace, self.name)], ""
        else:
            options = ListOptions.parse(request.query_params, self.source)
            if options.watch:
                raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
            page = objects.list_objects(
                self.source, namespace=self.namespace, labels=options.labels, fields=options.fields
            )
            found, revision = page.items, str(page.revision)
        return (_pods if self.source is kinds.POD else _nodes)(found), revision


def _pods(pods: list[Wire]) -> list[Wire]:
    samples = current.of_pods(pods)
    return [
        pod_metrics(pod, sample)
        for pod in pods
        if (sample := samples.get(pod["metadata"]["uid"])) is not None and sample.containers
    ]


def _nodes(nodes: list[Wire]) -> list[Wire]:
    found = current.of_nodes([node["metadata"]["name"] for node in nodes])
    return [
        node_metrics(node, metrics) for node in nodes if (metrics := found.get(node["metadata"]["name"])) is not None
    ]


def pod_metrics(pod: Wire, sample: Sample) -> Wire:
    containers = [{"name": name, "usage": usage(used)} for name, used in sample.containers.items()]
    return {**_head(kinds.POD_METRICS, pod, sample.at, sample.window_seconds), "containers": containers}


def node_metrics(node: Wire, metrics: Metrics) -> Wire:
    used = usage(metrics.node)
    if metrics.node_disk_bytes is not None:
        used["ephemeral-storage"] = f"{metrics.node_disk_bytes // 1024}Ki"
    return {**_head(kinds.NODE_METRICS, node, metrics.at, metrics.window_seconds), "usage": used}


def _head(kind: Kind, source: Wire, at: datetime, window_seconds: float) -> Wire:
    metadata = {key: source["metadata"][key] for key in _KEPT if source["metadata"].get(key)}
    moment = meta.format_time(at)
    return {
        "kind": kind.kind,
        "apiVersion": kind.api_version,
        "metadata": {**metadata, "creationTimestamp": moment},
        "timestamp": moment,
        "window": f"{window_seconds:.3f}s",
    }


def usage(used: Usage) -> Wire:
    return {"cpu": f"{round(used.cpu_cores * 1e9)}n", "memory": f"{used.memory_bytes // 1024}Ki"}
