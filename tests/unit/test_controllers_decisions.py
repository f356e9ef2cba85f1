"""What the controllers decide, as tables: no store, no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllers import garbage, node, podgc, tasks, zones
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Budget, Record
from controlplane.controllers.garbage import Owner
from controlplane.controllers.namespace import Item, NamespaceController, stages
from controlplane.controllers.plan import Condition, merge
from controlplane.controllers.serviceaccount import Present, ServiceAccountController
from controlplane.store.objects import Create, Delete, Finish, Patch
from controlplane.store.processes import PROCESS
from schema import kinds, meta

T = TypeVar("T")
NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def wire(name="a", **metadata):
    meta_ = {"name": name, "namespace": "n", "uid": f"uid-{name}", **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta_}


def reference(uid, **more):
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid, **more}


def some(value: T | None) -> T:
    assert value is not None
    return value


# Conditions


def test_a_condition_keeps_its_time_while_its_status_is_the_same():
    first = merge([], [Condition("Ready", "False", "A", "one")], NOW, 1)
    second = merge(first, [Condition("Ready", "False", "B", "two")], LATER, 2)
    third = merge(second, [Condition("Ready", "True", "C", "")], LATER, 2)
    assert [c[0]["lastTransitionTime"] for c in (first, second, third)] == [
        "2026-01-31T08:15:00Z", "2026-01-31T08:15:00Z", "2026-01-31T08:16:00Z",
    ]  # fmt: skip
    assert second[0]["message"] == "two"
    assert second[0]["observedGeneration"] == 2


def test_other_conditions_stay_and_repeating_changes_nothing():
    held = merge([{"type": "Mine", "status": "True"}], [Condition("Ready", "True")], NOW, None)
    assert [each["type"] for each in held] == ["Mine", "Ready"]
    assert merge(held, [Condition("Ready", "True")], LATER, None) == held


# Garbage


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ({}, None),
        ({"x": Owner.LIVING}, None),
        ({"x": Owner.GONE}, ("delete", "Background")),
        ({"x": Owner.LEAVING}, ("delete", "Foreground")),
        ({"x": Owner.GONE, "y": Owner.LEAVING}, ("delete", "Foreground")),
        ({"x": Owner.GONE, "y": Owner.LIVING}, ("keep", ["y"])),
        ({"x": Owner.LEAVING, "y": Owner.LIVING}, ("keep", ["y"])),
    ],
)
def test_what_happens_to_a_dependent(owners, expected):
    decided = garbage.decide(wire(ownerReferences=[reference(uid) for uid in owners]), owners)
    if expected is None:
        assert decided is None
    elif expected[0] == "delete":
        assert isinstance(decided, Delete)
        options = some(decided.options)
        assert options.propagation_policy == expected[1]
        assert some(options.preconditions).uid == "uid-a", "another object of the name is not meant"
    else:
        assert isinstance(decided, Patch)
        changed = some(decided.change(wire(ownerReferences=[reference(uid) for uid in owners])))
        assert [each["uid"] for each in changed["metadata"]["ownerReferences"]] == expected[1]


def test_what_is_on_its_way_out_is_not_deleted_again():
    going = wire(ownerReferences=[reference("x")], deletionTimestamp="2026-01-31T08:15:00Z")
    assert garbage.decide(going, {"x": Owner.GONE}) is None


@given(st.dictionaries(st.sampled_from("xyz"), st.sampled_from(Owner)))
def test_nothing_with_a_living_owner_is_ever_deleted(owners):
    decided = garbage.decide(wire(ownerReferences=[reference(uid) for uid in owners]), owners)
    if Owner.LIVING in owners.values() or not owners:
        assert not isinstance(decided, Delete)
    else:
        assert isinstance(decided, Delete)


def test_an_owner_that_orphans_frees_its_dependents_before_it_goes():
    owner = wire("o", deletionTimestamp="t", finalizers=["orphan"])
    writes = garbage.serve(owner, [wire("d", ownerReferences=[reference("uid-o")])], {"uid-o": Owner.LIVING})
    assert [write.name for write in writes if isinstance(write, Patch)] == ["d", "o"]


def test_a_living_owner_is_left_alone():
    owner = wire("o", finalizers=["foregroundDeletion"])
    assert garbage.serve(owner, [wire("d", ownerReferences=[reference("uid-o")])], {"uid-o": Owner.LIVING}) == []


# Namespaces


def plan_end(content, **metadata):
    space = {"metadata": {"name": "shop", "uid": "u", "deletionTimestamp": "t", **metadata}}
    return NamespaceController().plan_deletion(space, content, NOW)


def test_a_namespace_is_emptied_in_an_order():
    order = [kind for stage in stages() for kind in stage]
    assert order[0] is kinds.POD
    assert order[-1] is kinds.EVENT
    assert set(order) == {kind for kind in kinds.ALL if kind.namespaced}
    content = {kinds.POD: [Item("p")], kinds.SECRET: [Item("s")], kinds.EVENT: [Item("e")]}
    assert [write.name for write in plan_end(content).steps[0].writes] == ["p"]
    del content[kinds.POD]
    assert [write.name for write in plan_end(content).steps[0].writes] == ["s"]


def test_what_was_told_to_go_is_waited_for():
    plan = plan_end({kinds.SECRET: [Item("s", deleted=True, finalizers=("x.io/y",))]})
    assert plan.steps == []
    assert isinstance(plan.outcome, Wait)
    assert plan.outcome.after > 0
    assert {each.type: each.status for each in plan.conditions} == {
        "NamespaceContentRemaining": "True", "NamespaceFinalizersRemaining": "True",
    }  # fmt: skip


def test_an_empty_namespace_ends_unless_its_own_finalizers_hold_it():
    assert plan_end({}).steps[0].writes == [Finish(kinds.NAMESPACE, "", "shop", "u")]
    held = plan_end({}, finalizers=["x.io/y"])
    assert held.steps == []
    assert isinstance(held.outcome, Stalled)
    assert "x.io/y" in held.outcome.reason


@pytest.mark.parametrize(
    ("present", "writes"),
    [
        (Present(account=False, certificate=None, authority="ca"), [Create, Create]),
        (Present(account=True, certificate={"data": {"ca.crt": "ca"}}, authority="ca"), []),
        (Present(account=True, certificate={"data": {"ca.crt": "old"}}, authority="ca"), [Patch]),
        (Present(account=True, certificate=None, authority=""), []),
    ],
)
def test_a_namespace_is_furnished_with_what_it_lacks(present, writes):
    plan = ServiceAccountController().plan({"metadata": {"name": "shop"}}, present, NOW)
    assert [type(write) for step in plan.steps for write in step.writes] == writes


# Nodes


def a_node(ready="True", taints=()):
    return {
        "metadata": {"name": "a", "uid": "u"},
        "spec": {"taints": list(taints)},
        "status": {"conditions": [{"type": "Ready", "status": ready}, {"type": "DiskPressure", "status": "False"}]},
    }


def a_lease(age, duration=40, process=None):
    renewed = meta.format_micro_time(NOW - timedelta(seconds=age))
    metadata = {"annotations": {PROCESS: process}} if process else {}
    return {"metadata": metadata, "spec": {"renewTime": renewed, "leaseDurationSeconds": duration}}


@pytest.mark.parametrize(
    ("lease", "said", "counts"),
    [
        (a_lease(39), "True", "True"),
        (a_lease(41), "True", "Unknown"),
        (a_lease(11, duration=10), "True", "Unknown"),
        (a_lease(41), "False", "Unknown"),
        (a_lease(1), "False", "False"),
        (None, "True", "True"),
        (None, "Unknown", "Unknown"),
        # the process that holds the session lives, has fallen silent, or is not known (any more)
        (a_lease(9, process="alive"), "True", "True"),
        (a_lease(9, process="silent"), "True", "Unknown"),
        (a_lease(9, process="gone"), "True", "Unknown"),
        (a_lease(1, process="gone"), "True", "True"),
        (a_lease(41, process="alive"), "True", "Unknown"),
    ],
)
def test_what_a_nodes_word_counts_depends_on_its_lease_and_who_holds_it(lease, said, counts):
    at = NOW.timestamp()
    assert node.readiness(a_node(said), lease, NOW, {"alive": at - 1, "silent": at - 8}) == counts


@pytest.mark.parametrize("ready", ["True", "False", "Unknown"])
@pytest.mark.parametrize("before", [(), (node.UNREACHABLE,), (node.NOT_READY,)])
def test_taints_follow_readiness_and_leave_others_alone(ready, before):
    mine = {"key": "mine", "effect": "NoSchedule"}
    held = [{"key": key, "effect": effect} for key in before for effect in ("NoSchedule", "NoExecute")]
    evict = zones.Verdict(True)
    taints = node.taints_for(a_node(taints=[mine, *held]), ready, "now", evict)
    ours = {"True": [], "False": [node.NOT_READY], "Unknown": [node.UNREACHABLE]}[ready]
    assert taints[0] == mine
    assert [(each["key"], each["effect"]) for each in taints[1:]] == [
        (key, effect) for key in ours for effect in ("NoSchedule", "NoExecute")
    ]
    assert node.taints_for(a_node(taints=taints), ready, "later", evict) == taints


@pytest.mark.parametrize(
    ("verdict", "before", "effects"),
    [
        (zones.Verdict(False), [], ["NoSchedule"]),
        (zones.Verdict(True), ["NoSchedule"], ["NoSchedule", "NoExecute"]),
        (zones.Verdict(False), ["NoSchedule", "NoExecute"], ["NoSchedule", "NoExecute"]),
        (zones.Verdict(False, retract=True), ["NoSchedule", "NoExecute"], ["NoSchedule"]),
    ],
)
def test_pods_are_given_up_only_as_the_zone_allows(verdict, before, effects):
    held = [{"key": node.UNREACHABLE, "effect": effect} for effect in before]
    taints = node.taints_for(a_node(taints=held), "Unknown", "now", verdict)
    assert [each["effect"] for each in taints] == effects
    assert all(each.get("timeAdded") == "now" for each in taints if each["effect"] == "NoExecute")


def test_a_users_taint_counts_from_when_it_was_first_seen():
    mine = {"key": "mine", "effect": "NoExecute"}
    [taint] = node.taints_for(a_node(taints=[mine]), "True", "now", zones.Verdict(False))
    assert taint == {**mine, "timeAdded": "now"}


def test_a_silent_node_says_nothing_that_can_be_relied_on():
    silent = some(node.silent(a_node(), "now"))
    assert {each["status"] for each in silent["status"]["conditions"]} == {"Unknown"}
    assert node.silent(silent, "later") is None
    assert some(node.silent({"metadata": {}, "status": {}}, "now"))["status"]["conditions"][0]["type"] == "Ready"


def a_pod(**conditions):
    told = [{"type": name, "status": status} for name, status in conditions.items()]
    return {"metadata": {"name": "p"}, "status": {"conditions": told}}


def test_a_pods_readiness_goes_with_its_node_and_comes_back():
    was = a_pod(ContainersReady="True", Ready="True")
    away = some(node.pod_as(was, "Unknown", "now"))
    assert away["status"]["conditions"][1]["status"] == "False"
    assert node.pod_as(away, "False", "later") is None
    back = some(node.pod_as(away, "True", "later"))
    assert back["status"]["conditions"] == [
        {"type": "ContainersReady", "status": "True"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "later"},
    ]


def test_a_pod_that_was_not_ready_by_itself_is_left_so():
    unready = a_pod(ContainersReady="False", Ready="False")
    assert node.pod_as(unready, "Unknown", "now") is None
    assert node.pod_as(unready, "True", "now") is None


# Pods


@pytest.mark.parametrize(("phase", "fails"), [("Running", True), ("Pending", True), ("Succeeded", False)])
def test_a_pod_lost_with_its_node_failed_unless_it_was_over(phase, fails):
    changed = podgc.lost({"status": {"phase": phase}}, "why")
    assert (changed is not None) is fails
    if changed is not None:
        assert (changed["status"]["phase"], changed["status"]["message"]) == ("Failed", "why")


# Events and back-off


def test_an_object_may_speak_in_bursts_but_not_for_ever():
    budget = Budget(burst=3, refill_seconds=10)
    assert [budget.take("a", now=0.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.take("b", now=0.0), "each object has its own"
    assert budget.take("a", now=10.5)
    assert not budget.take("a", now=10.6)


def test_the_same_word_about_the_same_object_has_the_same_name():
    def said(message="m", reason="R", name="web"):
        return Record({"kind": "Pod", "metadata": {"name": name, "uid": "u"}}, "Normal", reason, message, "c").name

    assert said() == said()
    assert said().startswith("web.")
    assert len({said(), said("other"), said(reason="S"), said(name="db")}) == 4


def test_a_long_name_still_makes_a_legal_one():
    record = Record({"kind": "Pod", "metadata": {"name": "x" * 253}}, "Normal", "R", "m" * 5000, "c")
    assert len(record.name) <= 253
    assert len(record.wire()["message"]) == 1024


@given(st.integers(1, 10_000))
def test_back_off_grows_and_is_bounded(failures):
    assert 0.4 <= tasks.back_off(failures) <= tasks.LONGEST_DELAY_SECONDS * 1.2
    assert tasks.back_off(1) < tasks.back_off(5)
