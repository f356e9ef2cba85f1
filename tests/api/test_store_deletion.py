"""What holds a deleted object, and what lets it go."""

from __future__ import annotations

import pytest

from controlplane.store import objects
from controlplane.store.errors import Conflict, Forbidden, NotFound
from schema.kinds import CONFIG_MAP, NAMESPACE, POD, SECRET
from schema.meta import DeleteOptions, Preconditions
from tests.api.store_objects import config_map, pod

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_unheld_object_goes_at_once():
    created = objects.create(CONFIG_MAP, config_map("a"))
    deletion = objects.delete(CONFIG_MAP, "default", "a")
    assert deletion.finished
    assert deletion.object["metadata"]["uid"] == created["metadata"]["uid"]
    with pytest.raises(NotFound):
        objects.get(CONFIG_MAP, "default", "a")


def test_preconditions_guard_a_deletion():
    created = objects.create(CONFIG_MAP, config_map("a"))
    for wrong in (Preconditions(uid="other"), Preconditions(resource_version="1")):
        with pytest.raises(Conflict):
            objects.delete(CONFIG_MAP, "default", "a", options=DeleteOptions(preconditions=wrong))
    right = Preconditions(uid=created["metadata"]["uid"], resource_version=created["metadata"]["resourceVersion"])
    assert objects.delete(CONFIG_MAP, "default", "a", options=DeleteOptions(preconditions=right)).finished


def test_finalizers_hold_an_object_until_the_last_is_taken():
    wire = config_map("a")
    wire["metadata"]["finalizers"] = ["example.com/one", "example.com/two"]
    objects.create(CONFIG_MAP, wire)
    deletion = objects.delete(CONFIG_MAP, "default", "a")
    assert not deletion.finished
    assert deletion.object["metadata"]["deletionTimestamp"]
    assert objects.delete(CONFIG_MAP, "default", "a").object == deletion.object
    _take_finalizer("example.com/one")
    assert objects.get(CONFIG_MAP, "default", "a")["metadata"]["finalizers"] == ["example.com/two"]
    _take_finalizer("example.com/two")
    with pytest.raises(NotFound):
        objects.get(CONFIG_MAP, "default", "a")
    (record,) = objects.changes_since(objects.current_revision() - 1, 2)
    assert record.type == "DELETED"
    assert "finalizers" not in record.object["metadata"]


def _take_finalizer(name: str) -> None:
    def change(wire):
        wire["metadata"]["finalizers"].remove(name)
        return wire

    objects.mutate(CONFIG_MAP, "default", "a", change)


def test_a_running_pod_gets_its_grace_and_goes_when_the_agent_says_so():
    created = objects.create(POD, pod("a", node="n1"))
    deletion = objects.delete(POD, "default", "a")
    assert not deletion.finished
    assert deletion.object["metadata"]["deletionGracePeriodSeconds"] == 30
    assert not objects.finish_deletion(POD, "default", "a", "another-uid")
    assert objects.finish_deletion(POD, "default", "a", created["metadata"]["uid"])
    with pytest.raises(NotFound):
        objects.get(POD, "default", "a")


def test_an_undeleted_pod_is_not_finished():
    created = objects.create(POD, pod("a", node="n1"))
    assert not objects.finish_deletion(POD, "default", "a", created["metadata"]["uid"])
    assert objects.get(POD, "default", "a") == created


@pytest.mark.parametrize("change", ["unbound", "finished", "forced"])
def test_a_pod_with_nothing_to_end_goes_at_once(change):
    objects.create(POD, {**pod("a", node="" if change == "unbound" else "n1")})
    if change == "finished":
        objects.write_many([objects.Status(POD, "default", "a", {"phase": "Succeeded"})])
    options = DeleteOptions(grace_period_seconds=0) if change == "forced" else DeleteOptions()
    assert objects.delete(POD, "default", "a", options=options).finished


def test_a_second_deletion_may_only_hurry():
    objects.create(POD, pod("a", node="n1"))

    def delete(seconds):
        return objects.delete(POD, "default", "a", options=DeleteOptions(grace_period_seconds=seconds))

    first = delete(60).object["metadata"]
    assert delete(100).object["metadata"] == first
    shorter = delete(5).object["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < first["deletionTimestamp"]
    assert delete(0).finished


def test_a_pod_that_ended_waits_only_for_its_finalizers():
    wire = pod("a", node="n1")
    wire["metadata"]["finalizers"] = ["example.com/x"]
    uid = objects.create(POD, wire)["metadata"]["uid"]
    objects.delete(POD, "default", "a")
    assert not objects.finish_deletion(POD, "default", "a", uid)
    objects.replace(POD, pod("a", node="n1"))
    with pytest.raises(NotFound):
        objects.get(POD, "default", "a")


def test_taking_the_finalizer_does_not_cut_a_pods_grace():
    wire = pod("a", node="n1")
    wire["metadata"]["finalizers"] = ["example.com/x"]
    objects.create(POD, wire)
    objects.delete(POD, "default", "a")
    objects.replace(POD, pod("a", node="n1"))
    assert objects.get(POD, "default", "a")["metadata"]["deletionGracePeriodSeconds"] == 30


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_dependents_hold_their_owner_where_the_policy_says_so(policy, finalizer):
    owner = objects.create(CONFIG_MAP, config_map("owner"))
    options = DeleteOptions(propagation_policy=policy)
    objects.create(POD, _owned("child", owner))
    deletion = objects.delete(CONFIG_MAP, "default", "owner", options=options)
    assert not deletion.finished
    assert deletion.object["metadata"]["finalizers"] == [finalizer]
    alone = objects.create(CONFIG_MAP, config_map("alone"))
    assert objects.delete(CONFIG_MAP, "default", alone["metadata"]["name"], options=options).finished


def test_dependents_are_found_by_their_owners_uid():
    owner = objects.create(CONFIG_MAP, config_map("owner"))
    uid = owner["metadata"]["uid"]
    child = objects.create(POD, _owned("child", owner))
    other = objects.create(SECRET, _owned("other", owner))
    assert objects.dependents_of(uid) == [child, other]
    objects.replace(SECRET, {"metadata": {"name": "other", "namespace": "default"}})
    assert objects.dependents_of(uid) == [child]
    assert objects.abandoned() == []
    objects.delete(CONFIG_MAP, "default", "owner")
    assert objects.abandoned() == [child]
    objects.delete(POD, "default", "child")
    assert objects.dependents_of(uid) == []


def _owned(name, owner):
    wire = pod(name)
    reference = {key: owner["metadata"][key] for key in ("name", "uid")}
    wire["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": owner["kind"], **reference}]
    return wire


def test_a_namespace_goes_once_it_is_empty():
    uid = objects.create(NAMESPACE, {"metadata": {"name": "old"}})["metadata"]["uid"]
    objects.create(CONFIG_MAP, config_map("a", "old"))
    assert not objects.finish_deletion(NAMESPACE, "", "old", uid)
    deletion = objects.delete(NAMESPACE, "", "old")
    assert (deletion.finished, deletion.object["status"]["phase"]) == (False, "Terminating")
    assert not objects.finish_deletion(NAMESPACE, "", "old", uid)
    objects.write_many([objects.Delete(CONFIG_MAP, "old", "a"), objects.Finish(NAMESPACE, "", "old", uid)])
    with pytest.raises(NotFound):
        objects.get(NAMESPACE, "", "old")


def test_the_permanent_namespaces_stay():
    with pytest.raises(Forbidden):
        objects.delete(NAMESPACE, "", "kube-system")
