"""What the cluster does not let a workload make: said in an event, told by `why`, tried again, made when it may be."""

from __future__ import annotations

import pytest

from controlplane.controllers.registry import CONTROLLERS
from controlplane.store import objects
from controlplane.store.objects import Create
from schema import kinds, validation
from schema.selectors import LabelSelector
from tests.api import cluster_objects as make
from tests.api.client import Api
from tests.api.pump import pumping
from tests.api.workloads import Agents, pods, present, template, workload

pytestmark = pytest.mark.django_db(transaction=True)
KINDS = [kinds.REPLICA_SET, kinds.STATEFUL_SET, kinds.DAEMON_SET, kinds.JOB]
FAILURES = {"ReplicaSet": "ReplicaFailure", "StatefulSet": "Stalled", "DaemonSet": "Stalled"}


@pytest.fixture
def agents():
    for name in ("a", "b", "c"):
        make.node(name, labels={"kubernetes.io/hostname": name})
    with pumping() as pump:
        yield Agents(pump)


def restrict(kind, **spec):
    wire = {"apiVersion": "v1", "kind": kind.kind, "metadata": {"name": "team", "namespace": "default"}, "spec": spec}
    validation.default(kind, wire)
    objects.create(kind, wire)


def three(kind):
    """A workload that wants three pods."""
    if kind is kinds.DAEMON_SET:
        return workload(kind)
    if kind is not kinds.JOB:
        return workload(kind, replicas=3, **({"podManagementPolicy": "Parallel"} if kind is kinds.STATEFUL_SET else {}))
    wire = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "web", "namespace": "default", "uid": ""},
        "spec": {"parallelism": 3, "completions": 3, "template": template(restartPolicy="Never")},
    }
    validation.default(kind, wire)
    return objects.create(kind, wire)


def look(kind):
    return CONTROLLERS[kind.singular].reconcile("default", "web")


def complaints():
    return [(message, count) for reason, message, count in make.event_reasons("web") if reason == "FailedCreate"]


def works_again(kind, refusal):
    """After ``refusal`` was deleted."""
    objects.delete(refusal, "default", "team")
    look(kind)
    return len(pods()) == 3


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_a_quota_lets_some_be_made_and_the_rest_is_told(kind, agents, api: Api):
    restrict(kinds.RESOURCE_QUOTA, hard={"pods": "2"})
    three(kind)
    agents.pump.settle()
    assert len(pods()) == 2
    made = [reason for reason, _, _ in make.event_reasons("web") if reason == "SuccessfulCreate"]
    assert len(made) == 2
    ((message, _),) = complaints()
    assert message.startswith('Error creating: pods "web-')
    assert message.endswith("exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2")
    if kind.kind in FAILURES:
        told = make.condition(present(kind, "web"), FAILURES[kind.kind])
        assert (told["status"], told["reason"]) == ("True", "FailedCreate")
        assert message.endswith(told["message"])
    code, why = api.get(f"/apis/slipway.dev/v1/namespaces/default/{kind.plural}/web/why")
    assert code == 200
    assert "1 not made: " in why["status"]["summary"]
    assert "exceeded quota: team" in why["status"]["summary"]
    assert works_again(kind, kinds.RESOURCE_QUOTA)
    if kind.kind in FAILURES:
        assert make.condition(present(kind, "web"), FAILURES[kind.kind]).get("status", "False") == "False"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_what_is_refused_again_is_the_same_event_and_waits(kind, agents):
    restrict(kinds.LIMIT_RANGE, limits=[{"type": "Container", "min": {"cpu": "1"}, "default": {"cpu": "1m"}}])
    three(kind)
    agents.pump.settle()
    assert pods() == {}
    before = complaints()
    verdict = look(kind)
    ((message, count),) = complaints()
    assert count == before[0][1] + 1
    assert "is forbidden" in message
    assert "cpu" in message
    assert verdict.again_after
    assert message.endswith(verdict.reason)
    assert works_again(kind, kinds.LIMIT_RANGE)


def test_what_is_bound_to_fail_is_tried_with_one(agents, monkeypatch):
    restrict(kinds.RESOURCE_QUOTA, hard={"pods": "0"})
    three(kinds.DAEMON_SET)
    agents.pump.settle()
    batches = []
    written = objects.write_many

    def write(writes):
        batches.append(writes)
        return written(writes)

    monkeypatch.setattr(objects, "write_many", write)
    look(kinds.DAEMON_SET)
    made = [[one for one in batch if isinstance(one, Create) and one.kind is kinds.POD] for batch in batches]
    assert [len(batch) for batch in made if batch] == [1]


def test_a_claim_that_a_quota_refuses_is_told(agents):
    restrict(kinds.RESOURCE_QUOTA, hard={"persistentvolumeclaims": "1"})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    workload(kinds.STATEFUL_SET, replicas=2, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": spec}])
    agents.settle()
    assert sorted(pods()) == ["web-0"]
    ((message, _),) = complaints()
    assert message.startswith('Error creating: persistentvolumeclaims "data-web-1" is forbidden: exceeded quota: team')


def test_a_name_that_somebody_else_has_is_told(agents):
    make.pod("web-0", labels={"app": "other"})
    workload(kinds.STATEFUL_SET, replicas=1)
    agents.pump.settle()
    told = make.condition(present(kinds.STATEFUL_SET, "web"), "Stalled")
    assert told["message"] == 'pods "web-0" already exists and is not controlled by StatefulSet web'
    assert [message for message, _ in complaints()] == [f"Error creating: {told['message']}"]
    objects.delete(kinds.POD, "default", "web-0")
    agents.settle()
    look(kinds.STATEFUL_SET)
    assert pods()["web-0"]["metadata"]["labels"]["app"] == "x"


def test_pods_say_what_their_names_begin_with(agents):
    three(kinds.REPLICA_SET)
    agents.settle()
    labels = LabelSelector.from_labels({"app": "x"})
    found = objects.list_objects(kinds.POD, namespace="default", labels=labels).items
    assert {one["metadata"]["generateName"] for one in found} == {"web-"}
