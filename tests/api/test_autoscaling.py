"""An autoscaler on a real store and a real Redis that holds the metrics: it reads, scales its target and says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from controlplane.controllers import registry
from controlplane.controllers.autoscaling.controller import PERIOD_SECONDS
from controlplane.metrics import current
from controlplane.store import objects
from schema import kinds, meta
from schema.session import Metrics, PodUsage, Usage
from tests.api.client import Api
from tests.api.cluster_objects import condition, event_reasons, pod
from tests.api.test_store_redis import Server
from tests.instance import wait_for

pytestmark = pytest.mark.django_db(transaction=True)
AUTOSCALERS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"


@pytest.fixture
def metrics_store(settings) -> Iterator[Server]:
    with TemporaryDirectory() as directory:
        server = Server(Path(directory))
        server.start()
        settings.REDIS_URL = f"unix://{server.socket}"
        current.client.cache_clear()
        try:
            wait_for(server.socket.exists, "redis")
            yield server
        finally:
            server.kill()
            current.client().close()
            current.client.cache_clear()


def web(replicas: int) -> None:
    """A StatefulSet and as many ready pods, each asking for half a cpu."""
    labels = {"app": "web"}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    wire = {"metadata": {"name": "web", "namespace": "default"}, "spec": spec, "status": {"replicas": replicas}}
    objects.create(kinds.STATEFUL_SET, wire)
    long_ago = "2026-01-01T00:00:00Z"
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": long_ago}
    for number in range(replicas):
        status = {"phase": "Running", "startTime": long_ago, "conditions": [ready]}
        pod(f"web-{number}", nodeName="a", metadata={"labels": labels}, requests={"cpu": "500m"}, status=status)


def used(cores: float) -> None:
    """By each of the pods."""
    pods = objects.list_objects(kinds.POD, namespace="default").items
    usages = [
        PodUsage(
            uid=each["metadata"]["uid"],
            namespace="default",
            name=each["metadata"]["name"],
            usage=Usage(cpu_cores=cores),
            containers={"main": Usage(cpu_cores=cores)},
        )
        for each in pods
    ]
    told = Metrics(at=meta.now(), window_seconds=15, node=Usage(), pods=usages)
    current.client().set(current.key("a"), current.encode(told), ex=60)


def autoscaler(api: Api, **spec) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"}
    wire = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": reference, "maxReplicas": 10, **spec},
    }
    api.created(AUTOSCALERS, wire)


def look():
    return registry.CONTROLLERS["horizontalpodautoscaler"].reconcile("default", "web")


def get():
    return objects.get(kinds.HORIZONTAL_POD_AUTOSCALER, "default", "web")


def replicas() -> int:
    return int(objects.get(kinds.STATEFUL_SET, "default", "web")["spec"]["replicas"])


def test_it_scales_its_target_by_what_the_pods_use(metrics_store, api: Api):
    web(2)
    used(0.8)
    autoscaler(api)
    assert look().again_after == PERIOD_SECONDS
    assert replicas() == 4, "160 % of 80 %"
    status = get()["status"]
    assert (status["currentReplicas"], status["desiredReplicas"], status["observedGeneration"]) == (2, 4, 1)
    assert status["currentMetrics"][0]["resource"]["current"] == {"averageUtilization": 160, "averageValue": "800m"}
    assert condition(get(), "ScalingActive")["reason"] == "ValidMetricFound"
    expected = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    assert ("SuccessfulRescale", expected, 1) in event_reasons("web")
    rows = api.get(AUTOSCALERS, Accept="application/json;as=Table;v=v1;g=meta.k8s.io")[1]["rows"]
    assert rows[0]["cells"][:3] == ["web", "StatefulSet/web", "cpu: 160%/80%"]


def test_without_metrics_it_leaves_the_target_and_says_why(metrics_store, api: Api):
    web(2)
    autoscaler(api)
    look()
    assert replicas() == 2
    told = condition(get(), "ScalingActive")
    assert (told["status"], told["reason"]) == ("False", "FailedGetResourceMetric")
    metrics_store.kill()
    assert look().again_after == PERIOD_SECONDS
    assert replicas() == 2


def test_without_a_target_it_says_so(metrics_store, api: Api):
    autoscaler(api)
    look()
    told = condition(get(), "AbleToScale")
    assert (told["status"], told["reason"]) == ("False", "FailedGetScale")
    assert "not found" in told["message"]
    assert [reason for reason, _, _ in event_reasons("web")] == ["FailedGetScale"]


def test_it_does_not_overwrite_a_number_that_somebody_else_has_set_meanwhile(metrics_store, api: Api, monkeypatch):
    web(2)
    used(0.8)
    autoscaler(api)
    controller = registry.CONTROLLERS["horizontalpodautoscaler"]
    gather = type(controller).gather
    done: list[object] = []

    def late(self, obj):
        found = gather(self, obj)
        if not done:
            done.append(1)
            objects.mutate(
                kinds.STATEFUL_SET, "default", "web", lambda one: {**one, "spec": {**one["spec"], "replicas": 3}}
            )
        return found

    monkeypatch.setattr(type(controller), "gather", late)
    look()
    assert done
    assert replicas() == 4, "2 pods at 160 % of 80 %, whatever the number was"
    assert get()["status"]["changes"][-1]["replicas"] == 1, "from 3"
