"""metrics.k8s.io: what agents said lately, to whoever may read the objects it is about."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from controlplane.metrics import current
from controlplane.metrics.errors import Unavailable
from controlplane.nodes.bus import Bus
from controlplane.nodes.metrics import MetricsWriter
from schema import meta
from schema.session import Metrics, PodUsage, Usage
from tests.api.client import Api
from tests.api.cluster_objects import node, pod, running
from tests.live import redis_server

ROOT = "/apis/metrics.k8s.io/v1beta1"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_client():
    current.client.cache_clear()
    yield
    current.client.cache_clear()


@pytest.fixture
def known():
    """A node with two pods whose agent has spoken, and one that nobody has heard of."""
    node()
    node("silent")
    pods = {
        name: pod(name, nodeName="node-a", status=running(), metadata={"labels": {"app": name}}) for name in ("a", "b")
    }
    pod("quiet", nodeName="silent", status=running())
    with redis_server():
        say({name: one["metadata"]["uid"] for name, one in pods.items()})
        yield pods


def say(uids):
    used = Usage(cpu_cores=0.25, memory_bytes=64 * 2**20)
    pods = [
        PodUsage(uid=uid, namespace="default", name=name, usage=used, containers={"main": used})
        for name, uid in uids.items()
    ]
    whole = Usage(cpu_cores=1.5, memory_bytes=2**30)
    metrics = Metrics(
        at=meta.now() - timedelta(seconds=1), window_seconds=10.0, node=whole, node_disk_bytes=2**31, pods=pods
    )
    current.client().set(current.key("node-a"), current.encode(metrics), ex=current.kept_seconds())


def test_nodes_and_pods_with_what_they_use(api: Api, known):
    code, nodes = api.get(f"{ROOT}/nodes")
    assert (code, nodes["kind"]) == (200, "NodeMetricsList")
    [one] = nodes["items"]
    assert one["metadata"]["name"] == "node-a"
    assert one["usage"] == {"cpu": "1500000000n", "memory": "1048576Ki", "ephemeral-storage": "2097152Ki"}
    assert one["window"] == "10.000s"
    pods = api.get(f"{ROOT}/namespaces/default/pods")[1]
    assert [item["metadata"]["name"] for item in pods["items"]] == ["a", "b"]
    assert pods["items"][0]["containers"] == [{"name": "main", "usage": {"cpu": "250000000n", "memory": "65536Ki"}}]
    assert api.get(f"{ROOT}/pods")[1]["items"] == pods["items"]
    assert api.get(f"{ROOT}/namespaces/default/pods/a")[1] == pods["items"][0]
    assert api.get(f"{ROOT}/nodes/node-a")[1] == one


def test_selectors_are_those_of_the_objects(api: Api, known):
    found = api.get(f"{ROOT}/pods?labelSelector=app%3Da")[1]["items"]
    assert [item["metadata"]["name"] for item in found] == ["a"]
    found = api.get(f"{ROOT}/pods?fieldSelector=spec.nodeName%3Dsilent")[1]["items"]
    assert found == []


@pytest.mark.parametrize(
    "path", ["/namespaces/default/pods/quiet", "/namespaces/default/pods/none", "/nodes/silent", "/namespaces/x/nodes"]
)
def test_what_is_not_known_is_not_found(api: Api, known, path):
    code, status = api.get(ROOT + path)
    assert (code, status["reason"]) == (404, "NotFound")


def test_it_can_only_be_read(api: Api, known):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert api.send(method, f"{ROOT}/nodes", {})[0] == 405
    assert api.get(f"{ROOT}/pods?watch=1")[0] == 405


def test_as_a_table(api: Api, known):
    shown = api.get(f"{ROOT}/pods", accept="application/json;as=Table;g=meta.k8s.io;v=v1")[1]
    assert [row["cells"][:3] for row in shown["rows"]] == [["a", "250m", "64Mi"], ["b", "250m", "64Mi"]]


def test_discovery_lets_kubectl_find_it(api: Api):
    found = {entry["name"]: entry for entry in api.get(ROOT)[1]["resources"]}
    assert found["nodes"]["verbs"] == found["pods"]["verbs"] == ["get", "list"]
    assert (found["pods"]["kind"], found["pods"]["namespaced"]) == ("PodMetrics", True)


def test_a_pod_made_anew_under_its_name_is_another(known):
    say({"a": "another uid"})
    assert current.of_pods([known["a"]]) == {}


def test_a_sample_is_the_sum_of_its_containers(known):
    [sample] = current.of_pods([known["a"]]).values()
    assert (sample.cpu_cores, sample.memory_bytes) == (0.25, 64 * 2**20)


def test_without_redis_nothing_is_known_and_that_is_said(api: Api):
    node()
    code, status = api.get(f"{ROOT}/nodes")
    assert (code, status["reason"]) == (503, "ServiceUnavailable")
    assert "redis" in status["message"]
    with pytest.raises(Unavailable):
        current.of_nodes(["node-a"])


# A day in steps


HISTORY = "/apis/slipway.dev/v1"


async def _written(node_name, several):
    hub = MetricsWriter(Bus())
    for metrics in several:
        hub.put(node_name, metrics)
        task = hub._task
        assert task is not None
        await task
    await hub._bus.aclose()


@pytest.fixture
def remembered(settings):
    """Three steps of a node with a pod of a StatefulSet and one of nobody's."""
    settings.METRICS_HISTORY_STEP_SECONDS = 60
    node()
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}
    pods = [
        pod("db-0", nodeName="node-a", metadata={"ownerReferences": [owner]}),
        pod("lone", nodeName="node-a"),
    ]
    used = [
        PodUsage(
            uid=one["metadata"]["uid"],
            namespace="default",
            name=one["metadata"]["name"],
            controller="StatefulSet/db" if one["metadata"]["name"] == "db-0" else "",
            usage=Usage(cpu_cores=0.5, memory_bytes=100),
            containers={"main": Usage(cpu_cores=0.5, memory_bytes=100)},
        )
        for one in pods
    ]
    begin = meta.now() - timedelta(minutes=10)
    several = [
        Metrics(at=begin + timedelta(minutes=n), window_seconds=10, node=Usage(cpu_cores=n), pods=used)
        for n in range(4)
    ]
    with redis_server():
        asyncio.run(_written("node-a", several))
        yield


def test_a_nodes_day(api: Api, remembered):
    code, found = api.get(f"{HISTORY}/metrics/nodes/node-a?window=24h")
    assert (code, found["stepSeconds"], len(found["times"])) == (200, 60, 3)
    assert found["total"]["cpuCores"] == [0, 1, 2]
    assert found["parts"] == []
    assert len(api.get(f"{HISTORY}/metrics/nodes/node-a?window=8m")[1]["times"]) < 3


def test_a_pods_day_with_its_containers(api: Api, remembered):
    for name in ("db-0", "lone"):
        found = api.get(f"{HISTORY}/namespaces/default/metrics/pods/{name}")[1]
        assert found["total"]["cpuCores"] == [0.5, 0.5, 0.5]
        assert [(part["pod"], part["container"]) for part in found["parts"]] == [(name, ""), (name, "main")]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/metrics/nodes/none", 404),
        ("/metrics/nodes/node-a?window=25h", 400),
        ("/metrics/nodes/node-a?window=soon", 400),
        ("/namespaces/default/metrics/nodes/node-a", 404),
        ("/namespaces/default/metrics/pods/none", 404),
        ("/namespaces/default/metrics/frogs/x", 404),
    ],
)
def test_what_has_no_history(api: Api, remembered, path, code):
    assert api.get(HISTORY + path)[0] == code


def test_many_days_at_once_for_the_rows_of_a_list(api: Api, remembered):
    code, found = api.get(f"{HISTORY}/metrics/nodes?window=24h")
    assert (code, found["kind"], found["of"], len(found["times"])) == (200, "UsageHistoryList", "Node", 3)
    assert [(item["metadata"]["name"], item["total"]["cpuCores"]) for item in found["items"]] == [("node-a", [0, 1, 2])]
    pods = api.get(f"{HISTORY}/namespaces/default/metrics/pods?window=1h")[1]["items"]
    assert {item["metadata"]["name"]: item["total"]["cpuCores"] for item in pods} == {
        "db-0": [0.5, 0.5, 0.5],
        "lone": [0.5, 0.5, 0.5],
    }
    named = api.get(f"{HISTORY}/namespaces/default/metrics/pods?names=lone,none")[1]["items"]
    assert [item["metadata"] for item in named] == [{"name": "lone", "namespace": "default"}]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/metrics/nodes?window=soon", 400),
        ("/namespaces/default/metrics/frogs", 404),
        ("/namespaces/default/metrics/nodes", 404),
        (f"/namespaces/default/metrics/pods?names={','.join(f'n{n}' for n in range(501))}", 400),
    ],
)
def test_what_has_no_histories(api: Api, remembered, path, code):
    assert api.get(HISTORY + path)[0] == code
