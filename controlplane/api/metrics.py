"""``/metrics``: what this process does, and what the cluster holds, in the Prometheus text format.

Names follow Kubernetes' own where it has one, so that existing dashboards and alerts work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.http import HttpResponse, HttpResponseBase
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from rest_framework.request import Request

from controlplane.api import census, errors
from controlplane.api.base import ApiView
from schema.kinds import Kind

REGISTRY = CollectorRegistry()
_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

REQUESTS = Histogram(
    "apiserver_request_duration_seconds",
    "From the whole request read to the answer ready; for a watch or a log, to its first byte.",
    ("verb", "resource", "subresource", "code"),
    buckets=_BUCKETS,
    registry=REGISTRY,
)
WATCHES = Gauge("apiserver_longrunning_requests", "Watches open in this process.", ("resource",), registry=REGISTRY)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)


@contextmanager
def watching(kind: Kind) -> Iterator[None]:
    gauge = WATCHES.labels(kind.group_resource)
    gauge.inc()
    try:
        yield
    finally:
        gauge.dec()


def observe(verb: str, resource: str, subresource: str, code: int, seconds: float) -> None:
    REQUESTS.labels(verb, resource, subresource, str(code)).observe(seconds)


class _Census(Collector):
    """What is read from the database when somebody asks, and only then."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = census.take()
        sizes = GaugeMetricFamily("apiserver_storage_objects", "Stored objects by kind.", labels=["resource"])
        for resource, number in found.objects.items():
            sizes.add_metric([resource], number)
        yield sizes
        pods = GaugeMetricFamily("slipway_pods", "Pods by phase.", labels=["phase"])
        for phase, number in found.pods_by_phase.items():
            pods.add_metric([phase], number)
        yield pods
        nodes = GaugeMetricFamily("slipway_nodes", "Nodes by whether they are ready.", labels=["ready"])
        for ready, number in found.nodes_by_ready.items():
            nodes.add_metric([ready], number)
        yield nodes
        yield GaugeMetricFamily("slipway_revision", "The newest change of the cluster.", value=found.revision)
        if found.feed_revision is not None:
            lag = max(found.revision - found.feed_revision, 0)
            yield GaugeMetricFamily("slipway_feed_lag_changes", "Changes this process has yet to hand out.", value=lag)


REGISTRY.register(_Census())


class MetricsView(ApiView):
    """For superusers: it tells names and numbers from the whole cluster."""

    def get(self, request: Request) -> HttpResponseBase:
        if not self.identity.superuser:
            raise errors.Forbidden(f'User "{self.identity.name}" cannot get path "/metrics"')
        return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)
