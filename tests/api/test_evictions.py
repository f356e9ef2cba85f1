"""Disruption budgets on a real store: what they allow, what an eviction takes, and that two at once cannot both have the last."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from controlplane.controllers import registry
from controlplane.scheduler import tasks
from controlplane.store import objects
from controlplane.store.errors import NotFound, NotNow
from schema import kinds
from tests.api.client import PODS, Api
from tests.api.cluster_objects import condition, node, pod, running
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction"}


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def budget(name="web", *, app="web", **spec):
    spec = {"selector": {"matchLabels": {"app": app}}, **spec}
    return objects.create(
        kinds.POD_DISRUPTION_BUDGET, {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
    )


def web(name, *, ready="True", **fields):
    metadata = {"labels": {"app": "web"}, **fields.pop("metadata", {})}
    return pod(name, nodeName="node-a", metadata=metadata, status=running(ready=ready), **fields)


def status(name="web"):
    return objects.get(kinds.POD_DISRUPTION_BUDGET, "default", name)["status"]


def is_leaving(name):
    return "deletionTimestamp" in objects.get(kinds.POD, "default", name)["metadata"]


def test_one_may_go_and_the_next_is_told_to_wait(pump, api: Api):
    for name in "abc":
        web(name)
    budget(minAvailable=2)
    pump.settle()
    assert status()["disruptionsAllowed"] == 1
    assert condition({"status": status()}, "DisruptionAllowed")["reason"] == "SufficientPods"
    assert api.post(f"{PODS}/a/eviction", EVICTION)[0] == 201
    assert is_leaving("a")
    target = condition(objects.get(kinds.POD, "default", "a"), "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "EvictionByEvictionAPI")
    code, refusal = api.post(f"{PODS}/b/eviction", EVICTION)
    assert (code, refusal["reason"], api.headers["Retry-After"]) == (429, "TooManyRequests", "1")
    assert refusal["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert refusal["details"]["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}
    ]
    pump.settle()
    assert status()["disruptionsAllowed"] == 0
    assert api.post(f"{PODS}/a/eviction", EVICTION)[0] == 201, "it is leaving already"
    web("d")
    pump.settle()
    assert status()["disruptionsAllowed"] == 1
    assert api.post(f"{PODS}/b/eviction", EVICTION)[0] == 201


def test_a_budget_that_nobody_has_looked_at_allows_nothing(api: Api):
    web("a")
    budget(minAvailable=0)
    code, refusal = api.post(f"{PODS}/a/eviction", EVICTION)
    assert code == 429
    assert "still being processed" in refusal["details"]["causes"][0]["message"]


def test_a_crash_that_the_controller_has_not_seen_counts(pump, api: Api):
    for name in "abc":
        web(name)
    budget(minAvailable=2)
    pump.settle()
    crashed = objects.get(kinds.POD, "default", "c")
    objects.replace(kinds.POD, {**crashed, "status": running(ready="False")}, subresource="status")
    assert status()["disruptionsAllowed"] == 1, "no controller ran"
    assert api.post(f"{PODS}/a/eviction", EVICTION)[0] == 429


def test_what_nobody_would_miss_goes_whatever_the_budget(pump, api: Api):
    budget(minAvailable=5)
    pod("pending", metadata={"labels": {"app": "web"}})
    pod("done", nodeName="node-a", metadata={"labels": {"app": "web"}}, status={"phase": "Succeeded"})
    web("other", metadata={"labels": {"app": "other"}})
    pump.settle()
    for name in ("pending", "done", "other"):
        assert api.post(f"{PODS}/{name}/eviction", EVICTION)[0] == 201, name


@pytest.mark.parametrize(
    ("policy", "ready", "code"),
    [("AlwaysAllow", 1, 201), ("IfHealthyBudget", 1, 429), ("IfHealthyBudget", 2, 201), (None, 1, 429)],
)
def test_an_unready_pod_goes_by_policy(pump, api: Api, policy, ready, code):
    for number in range(ready):
        web(f"ready-{number}")
    web("ill", ready="False")
    budget(minAvailable=2, **({"unhealthyPodEvictionPolicy": policy} if policy else {}))
    pump.settle()
    before = status()["disruptionsAllowed"]
    assert api.post(f"{PODS}/ill/eviction", EVICTION)[0] == code
    assert status()["disruptionsAllowed"] == before


def test_all_budgets_that_cover_it_must_allow_it(pump, api: Api):
    for name in "abc":
        web(name)
    budget("loose", minAvailable=1)
    budget("tight", minAvailable=3)
    pump.settle()
    code, refusal = api.post(f"{PODS}/a/eviction", EVICTION)
    assert code == 429
    assert "tight" in refusal["details"]["causes"][0]["message"]
    assert status("loose")["disruptionsAllowed"] == 2


def test_a_dry_run_and_a_failed_precondition_take_nothing(pump, api: Api):
    for name in "abc":
        web(name)
    budget(minAvailable=2)
    pump.settle()
    assert api.post(f"{PODS}/a/eviction?dryRun=All", EVICTION)[0] == 201
    other = {**EVICTION, "deleteOptions": {"preconditions": {"uid": "another"}}}
    assert api.post(f"{PODS}/a/eviction", other)[0] == 409
    assert status()["disruptionsAllowed"] == 1
    assert not is_leaving("a")
    with pytest.raises(NotFound):
        objects.evict("default", "nobody")


def test_many_at_once_never_take_more_than_there_is(pump):
    for number in range(8):
        web(f"p{number}")
    budget(minAvailable=6)
    pump.settle()
    went, refused = [], []

    def race(number):
        try:
            objects.evict("default", f"p{number}")
            went.append(number)
        except NotNow:
            refused.append(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(went), len(refused)) == (2, 6)


def test_the_controller_does_not_overwrite_what_an_eviction_took(pump, monkeypatch):
    for name in "abc":
        web(name)
    budget(minAvailable=2)
    pump.settle()
    controller = registry.CONTROLLERS["poddisruptionbudget"]
    gather = type(controller).gather
    evicted: list[object] = []

    def late(self, obj):
        found = gather(self, obj)
        if not evicted:
            evicted.append(objects.evict("default", "a"))
        return found

    monkeypatch.setattr(type(controller), "gather", late)
    web("d")
    controller.reconcile("default", "web")
    assert evicted
    assert status()["disruptionsAllowed"] == 1, "of b, c and d one may go; without the swap it would say two"


def test_a_second_pass_writes_nothing(pump):
    web("a")
    budget(minAvailable=1)
    pump.settle()
    before = objects.current_revision()
    registry.CONTROLLERS["poddisruptionbudget"].reconcile("default", "web")
    assert objects.current_revision() == before


def test_preemption_spares_what_a_budget_protects(pump):
    node(cpu="2")
    web("guarded", requests={"cpu": "1"}, priority=-9)
    pod("free", nodeName="node-a", requests={"cpu": "1"}, status=running())
    budget(minAvailable=1)
    pump.settle()
    pod("vip", requests={"cpu": "1"}, priority=100)
    tasks.run()
    assert is_leaving("free")
    assert not is_leaving("guarded")
