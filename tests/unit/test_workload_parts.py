"""What the workloads share: claims, ranks, names, availability, amounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllers import ownership, pods
from schema import amounts, meta
from schema.base import Wire
from schema.selectors import LabelSelector

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OWNER: Wire = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "namespace": "default", "uid": "u-web", "resourceVersion": "7"},
}
OTHER: Wire = {**OWNER, "metadata": {**OWNER["metadata"], "name": "other", "uid": "u-other"}}
SELECTOR = LabelSelector.parse("app=web")


def pod(name="p", *, owner=None, labels=None, leaving=False, phase="Running", ready=None, node="a", **metadata):
    wire: Wire = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"u-{name}", "labels": labels or {}, **metadata},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase},
    }
    if owner:
        wire["metadata"]["ownerReferences"] = [ownership.reference(owner)]
    if leaving:
        wire["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z"
    if ready is not None:
        since = meta.format_time(NOW - timedelta(seconds=ready))
        wire["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    return wire


@pytest.mark.parametrize(
    ("candidate", "outcome"),
    [
        (pod(owner=OWNER, labels={"app": "web"}), "mine"),
        (pod(owner=OWNER, labels={"app": "old"}), "released"),
        (pod(owner=OTHER, labels={"app": "web"}), "left"),
        (pod(labels={"app": "web"}), "adopted"),
        (pod(labels={"app": "web"}, leaving=True), "left"),
        (pod(owner=OWNER, labels={"app": "web"}, leaving=True), "mine"),
        (pod(labels={"app": "old"}), "left"),
    ],
)
def test_adoption_and_release(candidate, outcome):
    claims = ownership.claim(OWNER, SELECTOR, [candidate])
    assert (claims.mine == [candidate]) == (outcome in ("mine", "adopted"))
    assert (claims.adopted == [candidate]) == (outcome == "adopted")
    assert (claims.released == [candidate]) == (outcome == "released")


def test_a_deleted_owner_neither_adopts_nor_releases():
    leaving = {**OWNER, "metadata": {**OWNER["metadata"], "deletionTimestamp": "2026-01-31T12:00:00Z"}}
    candidates = [pod(labels={"app": "web"}), pod("q", owner=OWNER, labels={"app": "old"})]
    assert ownership.claim(leaving, SELECTOR, candidates) == ownership.Claims([], [], [])


def test_adopting_and_releasing_are_each_others_opposite_and_keep_other_owners():
    friend = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u-c"}
    orphan = pod(ownerReferences=[friend])
    adopted = ownership.with_controller(orphan, OWNER)
    assert adopted is not None
    assert ownership.is_controlled_by(adopted, OWNER)
    assert ownership.with_controller(adopted, OTHER) is None, "it has a controller"
    released = ownership.without_controller(adopted, "u-web")
    assert released is not None
    assert released["metadata"]["ownerReferences"] == [friend]


RANKED: list[tuple[str, Wire]] = [
    ("no node", {"node": "", "phase": "Pending"}),
    ("pending", {"phase": "Pending"}),
    ("not ready", {}),
    ("cheap", {"ready": 500, "annotations": {pods.DELETION_COST: "-5"}}),
    ("crowded a", {"ready": 500, "node": "b"}),
    ("ready lately", {"ready": 10, "node": "c"}),
    ("younger", {"ready": 500, "node": "d", "creationTimestamp": "2026-01-31T11:00:00Z"}),
    ("oldest", {"ready": 500, "node": "e", "creationTimestamp": "2026-01-01T11:00:00Z"}),
]


def test_who_goes_first():
    made = [pod(name, **fields) for name, fields in RANKED]
    made.append(pod("crowded b", ready=900, node="b", annotations={pods.DELETION_COST: "5"}))
    ranked = [each["metadata"]["name"] for each in pods.by_deletion_rank(made[::-1])]
    assert ranked == [*[name for name, _ in RANKED], "crowded b"]


def test_restarts_count_and_a_cost_that_is_no_number_does_not():
    calm, restless = pod("a", ready=5, node="x"), pod("b", ready=5, node="y")
    restless["status"]["containerStatuses"] = [{"restartCount": 2}, {"restartCount": 1}]
    assert pods.by_deletion_rank([calm, restless])[0] is restless
    assert pods.deletion_cost(pod(annotations={pods.DELETION_COST: "much"})) == 0


@pytest.mark.parametrize(
    ("ready", "minimum", "available", "after"),
    [(None, 0, False, None), (0, 0, True, None), (3, 10, False, 7.0), (10, 10, True, None)],
)
def test_available_after_having_been_ready_for_so_long(ready, minimum, available, after):
    one = pod(ready=ready)
    assert pods.is_available(one, minimum, NOW) is available
    assert pods.next_available([one], minimum, NOW) == after


def test_a_pod_from_a_template_belongs_to_its_owner_and_has_all_defaults():
    template: Wire = {
        "metadata": {"labels": {"app": "web"}, "annotations": {"a": "1"}},
        "spec": {"containers": [{"name": "main", "image": "busybox"}]},
    }
    made = pods.from_template(OWNER, template, "web-1", labels={"more": "x"})
    assert made["metadata"]["labels"] == {"app": "web", "more": "x"}
    assert made["metadata"]["annotations"] == {"a": "1"}
    assert ownership.is_controlled_by(made, OWNER)
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["status"]["qosClass"] == "BestEffort"
    assert "restartPolicy" not in template["spec"], "the template is left alone"
    assert pods.named(made, "web-2")["metadata"]["name"] == "web-2"


@given(st.integers(0, 60), st.integers(0, 60))
def test_names_follow_from_the_owner_and_avoid_what_is_taken(count, already):
    taken = pods.names(OWNER, (), already)
    chosen = pods.names(OWNER, taken, count)
    assert len({*taken, *chosen}) == count + already
    assert chosen == pods.names(OWNER, taken, count)
    assert set(taken) <= set(pods.names(OWNER, (), count + already)), "whoever sees less chooses what is taken"


def test_a_long_name_leaves_room_for_the_suffix():
    long = {"metadata": {**OWNER["metadata"], "name": "x" * 253}}
    (name,) = pods.names(long, (), 1)
    assert len(name) == 63


def test_the_hash_tells_templates_apart_whatever_the_order_of_their_fields():
    one, two = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert pods.template_hash(one) == pods.template_hash(two)
    assert len({pods.template_hash(one), pods.template_hash(one, 1), pods.template_hash({"a": 2})}) == 3


@pytest.mark.parametrize(
    ("value", "whole", "up", "down"),
    [(3, 10, 3, 3), ("25%", 10, 3, 2), ("0%", 10, 0, 0), ("100%", 7, 7, 7), ("150%", 3, 5, 4), (0, 5, 0, 0)],
)
def test_amounts(value, whole, up, down):
    assert amounts.resolve(value, whole, round_up=True) == up
    assert amounts.resolve(value, whole, round_up=False) == down


@pytest.mark.parametrize(
    ("value", "sound"),
    [(0, True), (5, True), (-1, False), ("10%", True), ("5", False), ("-1%", False), ("", False), (True, False)],
)
def test_what_is_an_amount(value, sound):
    assert amounts.valid(value) is sound
