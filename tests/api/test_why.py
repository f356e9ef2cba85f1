"""The ``why`` document of pods and workloads, on a real store."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.store import objects
from schema import kinds
from tests.api.client import Api
from tests.api.cluster_objects import node, pod, running
from tests.api.pump import pumping
from tests.api.workloads import template, workload

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/apis/slipway.dev/v1/namespaces/default/{}/{}/why"


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def asked(api, name, plural="pods"):
    code, answer = api.get(PATH.format(plural, name))
    assert code == 200, answer
    return answer


def test_a_pending_pod_is_told_the_smallest_change(api: Api, pump):
    node(cpu="1")
    node("node-b", taints=[{"key": "x", "value": "y", "effect": "NoSchedule"}], memory="64Mi")
    pod("first", requests={"cpu": "700m"})
    pump.settle()
    pod("big", requests={"cpu": "500m", "memory": "1Gi"})
    pump.settle()
    answer = asked(api, "big")
    assert (answer["kind"], answer["of"], answer["metadata"]["name"]) == ("Why", "Pod", "big")
    status = answer["status"]
    assert (status["state"], status["suggestion"]) == ("Pending", "lower the cpu request to 300m")
    [nearest, other] = status["placement"]["nodes"]
    [cpu] = [each for each in nearest["dimensions"] if each["dimension"] == "cpu"]
    assert (nearest["node"], cpu["requested"], cpu["free"], cpu["missing"]) == ("node-a", "500m", "300m", "200m")
    assert [each["dimension"] for each in other["dimensions"] if not each["fits"]] == ["taint", "memory"]
    assert status["events"][0]["reason"] == "FailedScheduling"


def test_doing_as_it_says_lets_the_pod_run(api: Api, pump):
    node(cpu="1")
    pod("big", requests={"cpu": "1500m"})
    pump.settle()
    assert asked(api, "big")["status"]["suggestion"] == "lower the cpu request to 1"
    pod("smaller", requests={"cpu": "1"})
    pump.settle()
    assert objects.get(kinds.POD, "default", "smaller")["spec"]["nodeName"] == "node-a"


def test_claims_are_seen(api: Api):
    node()
    pod("db", volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "none"}}])
    status = asked(api, "db")["status"]
    assert 'persistentvolumeclaim "none" not found' in status["suggestion"]


def test_a_crashing_pod_shows_its_evidence(api: Api):
    node()
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
    one = {
        "name": "main",
        "image": "busybox",
        "imageID": "",
        "ready": False,
        "restartCount": 2,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    pod("web", nodeName="node-a", status={"phase": "Running", "containerStatuses": [one]})
    status = asked(api, "web")["status"]
    [cause] = status["causes"]
    assert status["state"] == cause["state"] == "CrashLooping"
    assert (cause["evidence"]["exitCode"], cause["evidence"]["signal"]) == (137, "SIGKILL")
    assert cause["evidence"]["oomKilled"] is True
    assert "placement" not in status


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        (kinds.DEPLOYMENT, {"replicas": 2}),
        (kinds.REPLICA_SET, {"replicas": 2}),
        (kinds.STATEFUL_SET, {"replicas": 1, "serviceName": "web"}),
    ],
)
def test_a_workload_tells_the_why_of_its_worst_pods(api: Api, pump, kind, spec):
    node(cpu="1")
    container = {"name": "c", "image": "busybox:1", "resources": {"requests": {"cpu": "1500m"}}}
    workload(kind, template={**template(), "spec": {"containers": [container]}}, **spec)
    pump.settle()
    answer = asked(api, "web", kind.plural)
    status = answer["status"]
    assert (answer["of"], status["state"]) == (kind.kind, "Pending")
    assert status["suggestion"] == "lower the cpu request to 1"
    assert status["pods"]["missing"] == spec["replicas"]
    assert len(status["worstPods"]) == spec["replicas"]
    assert status["worstPods"][0]["placement"]["node"] == "node-a"


def test_a_pod_that_runs_says_so(api: Api):
    node()
    pod("web", nodeName="node-a", status={**running(), "containerStatuses": [{"name": "main", "ready": True}]})
    assert asked(api, "web")["status"]["state"] == "Running"


def test_it_is_for_those_who_may_read_what_is_there(api: Api):
    pod("web")
    assert api.get(PATH.format("pods", "none"))[0] == 404
    assert api.get(PATH.format("deployments", "none"))[0] == 404
    assert api.get(PATH.format("services", "web"))[0] == 404
    assert api.get(PATH.format("pods", "web"), authorization="")[0] == 401
    charlie = Api(tokens.issue_for_user(User.objects.create(username="charlie"), "tests"))
    for plural in ("pods", "jobs"):
        code, answer = charlie.get(PATH.format(plural, "web"))
        assert (code, answer["reason"]) == (403, "Forbidden")


def test_a_daemonset_and_a_job_answer(api: Api, pump):
    node(cpu="1")
    container = {"name": "c", "image": "busybox:1", "resources": {"requests": {"cpu": "1500m"}}}
    workload(kinds.DAEMON_SET, template={**template(), "spec": {"containers": [container]}})
    job = {"containers": [container], "restartPolicy": "Never"}
    metadata = {"name": "once", "namespace": "default"}
    api.created(
        "/apis/batch/v1/namespaces/default/jobs",
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": job}}},
    )
    pump.settle()
    for plural, name in (("daemonsets", "web"), ("jobs", "once")):
        status = asked(api, name, plural)["status"]
        assert (status["suggestion"], status["pods"]["made"]) == ("lower the cpu request to 1", 1)
