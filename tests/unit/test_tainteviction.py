"""When pods leave a tainted node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from controlplane.controllers import tainteviction
from controlplane.controllers.tainteviction import TaintEvictionController
from controlplane.store.admission import tolerations
from controlplane.store.objects import Delete
from schema import meta

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNREACHABLE = "node.kubernetes.io/unreachable"


def at(seconds: float) -> str:
    return meta.format_time(NOW + timedelta(seconds=seconds))


def taint(key=UNREACHABLE, *, added=0.0, effect="NoExecute", **more):
    return {"key": key, "effect": effect, "timeAdded": at(added), **more}


def tolerates(key=UNREACHABLE, seconds=None, **more):
    limit = {} if seconds is None else {"tolerationSeconds": seconds}
    return {"key": key, "operator": "Exists", "effect": "NoExecute", **limit, **more}


def pod(*given, name="web", placed=-1000, phase="Running", **metadata):
    placed_ = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(placed)}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": at(-2000), **metadata},
        "spec": {"tolerations": list(given), "nodeName": "a"},
        "status": {"phase": phase, "conditions": [placed_]},
    }


@pytest.mark.parametrize(
    ("given", "taints", "expected"),
    [
        ([], [taint()], 0),
        ([tolerates()], [taint()], None),
        ([tolerates(seconds=30)], [taint()], 30),
        ([tolerates(seconds=0)], [taint()], 0),
        ([tolerates(seconds=-5)], [taint()], 0),
        ([tolerates(seconds=30), tolerates(seconds=10)], [taint()], 10),
        ([tolerates(seconds=30), tolerates()], [taint()], 30),
        ([tolerates(key="", seconds=7, effect="")], [taint()], 7),
        ([tolerates(key="other")], [taint()], 0),
        ([tolerates(seconds=30)], [taint(), taint("mine")], 0),
        ([tolerates(seconds=30), tolerates("mine", 5)], [taint(), taint("mine", added=10)], 15),
        ([{"key": "mine", "operator": "Equal", "value": "x"}], [taint("mine", value="y")], 0),
        ([{"key": "mine", "operator": "Equal", "value": "x"}], [taint("mine", value="x")], None),
        ([], [], None),
    ],
)
def test_how_long_a_pod_stays(given, taints, expected):
    moment = tainteviction.deadline(pod(*given), taints)
    assert (moment and (moment - NOW).total_seconds()) == expected


def test_the_time_runs_from_the_placement_where_that_was_later():
    moment = tainteviction.deadline(pod(tolerates(seconds=30), placed=20), [taint()])
    assert moment == NOW + timedelta(seconds=50)


def test_a_pod_that_is_over_need_not_leave():
    assert tainteviction.deadline(pod(phase="Succeeded"), [taint()]) is None


def plan(pods, taints, *, ready="Unknown", seconds=0.0):
    node = {
        "metadata": {"name": "a", "uid": "u"},
        "spec": {"taints": taints},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    return TaintEvictionController().plan(node, pods, NOW + timedelta(seconds=seconds))


def names(planned, kind=Delete):
    return [write.name for step in planned.steps for write in step.writes if isinstance(write, kind)]


def test_those_due_go_and_the_next_is_waited_for():
    pods = [pod(name="now"), pod(tolerates(seconds=30), name="later"), pod(tolerates(), name="never")]
    planned = plan(pods, [taint()], seconds=10)
    assert names(planned) == ["now"]
    assert planned.outcome is not None
    assert planned.outcome.after == 20


def test_one_that_is_being_deleted_stays_until_its_agent_speaks():
    planned = plan([pod(name="going", deletionTimestamp=at(0))], [taint()], seconds=100)
    assert planned.steps == []
    assert planned.outcome is None


OUT = taint(tainteviction.OUT_OF_SERVICE, value="nodeshutdown")


@pytest.mark.parametrize(("ready", "ended"), [("Unknown", True), ("False", True), ("True", False)])
def test_out_of_service_ends_the_pods_of_a_node_that_is_not_ready(ready, ended):
    pods = [pod(tolerates(), name="going", deletionTimestamp=at(0)), pod(name="there")]
    planned = plan(pods, [OUT], ready=ready)
    assert names(planned) == (["going", "there"] if ended else ["there"])
    graces = [
        write.options.grace_period_seconds
        for step in planned.steps
        for write in step.writes
        if isinstance(write, Delete) and write.options is not None
    ]
    assert (0 in graces) is ended


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], ["not-ready", "unreachable"]),
        ([{"key": "other", "operator": "Exists"}], ["not-ready", "unreachable"]),
        ([{"operator": "Exists"}], []),
        ([tolerates(UNREACHABLE, 5)], ["not-ready"]),
        ([tolerates(UNREACHABLE, 5, effect="NoSchedule")], ["not-ready", "unreachable"]),
    ],
)
def test_a_pod_that_says_nothing_of_lost_nodes_gets_the_default(given, added):
    spec = tolerations.with_defaults({"metadata": {}, "spec": {"tolerations": given}}, 30)["spec"]
    assert spec["tolerations"][: len(given)] == given
    new = spec["tolerations"][len(given) :]
    assert [each["key"].rpartition("/")[2] for each in new] == added
    assert all(each["tolerationSeconds"] == 30 and each["effect"] == "NoExecute" for each in new)


def test_the_condition_tells_the_owner_once():
    changed = tainteviction.disrupted(pod(), at(0))
    assert changed is not None
    assert changed["status"]["conditions"][-1]["reason"] == "DeletionByTaintManager"
    assert tainteviction.disrupted(changed, at(1)) is None
