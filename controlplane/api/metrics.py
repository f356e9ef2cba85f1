"""``/metrics`` for Prometheus: requests of this process, and what the store holds. Needs a credential like everything else."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBase
from prometheus_client import CollectorRegistry, Gauge, Histogram, exposition
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from rest_framework.request import Request

from controlplane.api import errors, routing
from controlplane.api.base import ApiView
from controlplane.store import kinds as storages
from controlplane.store import objects, read

REGISTRY = CollectorRegistry()
REQUESTS = Histogram(
    "slipway_request_seconds",
    "Time to answer a request; of a stream, until its first byte.",
    ["method", "resource", "code"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
    registry=REGISTRY,
)
STREAMS = Gauge("slipway_streams", "Responses being streamed: watches and logs.", registry=REGISTRY)


class StoreCollector(Collector):
    """Asked when Prometheus asks."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("slipway_revision", "The newest revision.", value=objects.current_revision())
        sizes = GaugeMetricFamily("slipway_objects", "Stored objects.", labels=["resource"])
        for storage in storages.ALL:
            sizes.add_metric([storage.kind.group_resource], read.query(f"SELECT count(*) FROM {storage.table}")[0][0])  # noqa: S608
        yield sizes
        phases = GaugeMetricFamily("slipway_pods", "Pods by phase.", labels=["phase"])
        for phase, count in read.query("SELECT phase, count(*) FROM store_pod GROUP BY phase"):
            phases.add_metric([phase or "Unknown"], count)
        yield phases


REGISTRY.register(StoreCollector())


def observe(method: str, path: str, code: int, *, began: float) -> None:
    """``began`` is of `time.perf_counter`. Labels are bounded: names in paths never become one."""
    target = routing.parse(path)
    resource = "other"
    if target is not None:
        known = target.subresource in target.kind.subresources
        resource = f"{target.kind.plural}/{target.subresource}" if target.subresource and known else target.kind.plural
    REQUESTS.labels(method, resource, str(code)).observe(time.perf_counter() - began)


class MetricsView(ApiView):
    def get(self, request: Request) -> HttpResponseBase:
        if not self.identity.superuser:
            raise errors.Forbidden("metrics are for administrators")
        return HttpResponse(exposition.generate_latest(REGISTRY), content_type=exposition.CONTENT_TYPE_LATEST)
