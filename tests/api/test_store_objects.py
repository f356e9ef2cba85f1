"""What the store's functions promise, one object at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from django.db import connections

from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from schema.kinds import CONFIG_MAP, EVENT, LEASE, NAMESPACE, NODE, POD, SECRET, SERVICE_ACCOUNT
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import FieldSelector, LabelSelector
from tests.api.store_objects import config_map, pod

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_store_begins_with_the_four_namespaces():
    found = objects.list_objects(NAMESPACE).items
    assert [item["metadata"]["name"] for item in found] == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert {item["status"]["phase"] for item in found} == {"Active"}
    assert found[0]["metadata"]["labels"] == {"kubernetes.io/metadata.name": "default"}


# Create and get


def test_create_fills_what_the_server_owns():
    given = pod("a", labels={"app": "web"})
    created = objects.create(POD, given)
    metadata = created["metadata"]
    assert metadata["resourceVersion"] == str(objects.current_revision())
    assert len(metadata["uid"]) == 36
    assert metadata["generation"] == 1
    assert metadata["creationTimestamp"].endswith("Z")
    assert created["spec"] == given["spec"]
    assert created["status"] == {"phase": "Pending"}
    assert objects.get(POD, "default", "a") == created
    assert "uid" not in given["metadata"]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (CONFIG_MAP, {"data": {"b": "2", "a": "1\x00"}, "binaryData": {"c": "AA=="}, "immutable": True}),
        (SECRET, {"data": {"password": "aGVsbG8="}, "type": "Opaque"}),
        (EVENT, {"involvedObject": {"kind": "Pod", "name": "a"}, "reason": "Pulled", "count": 2**40}),
        (SERVICE_ACCOUNT, {"automountServiceAccountToken": False}),
        (LEASE, {"spec": {"holderIdentity": "n1", "renewTime": "2026-01-31T08:15:00.000000Z"}}),
    ],
)
def test_every_kind_comes_back_as_it_went_in(kind, content):
    metadata = {"name": "a", "namespace": "default", "annotations": {"ä": "ö"}, "finalizers": ["example.com/x"]}
    created = objects.create(kind, {"metadata": metadata, **content})
    stored = objects.get(kind, "default", "a")
    assert stored == created
    assert (stored["apiVersion"], stored["kind"]) == (kind.api_version, kind.kind)
    assert {key: stored[key] for key in content} == content
    assert {key: stored["metadata"][key] for key in metadata} == metadata
    if "data" in content:
        assert list(stored["data"]) == list(content["data"])


def test_a_cluster_wide_object_has_no_namespace():
    objects.create(NODE, {"metadata": {"name": "n1", "namespace": "ignored"}})
    assert "namespace" not in objects.get(NODE, "ignored", "n1")["metadata"]


def test_a_name_is_given_once():
    objects.create(CONFIG_MAP, config_map("a"))
    objects.create(CONFIG_MAP, config_map("a", "kube-system"))
    revision = objects.current_revision()
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        objects.create(CONFIG_MAP, config_map("a"))
    assert objects.current_revision() == revision


def test_missing_objects_are_not_found():
    with pytest.raises(NotFound, match=r'leases\.coordination\.k8s\.io "a" not found'):
        objects.get(LEASE, "default", "a")
    with pytest.raises(NotFound):
        objects.replace(CONFIG_MAP, config_map("a"))
    with pytest.raises(NotFound):
        objects.delete(CONFIG_MAP, "default", "a")


def test_a_missing_namespace_is_not_found():
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        objects.create(CONFIG_MAP, config_map("a", "nowhere"))


def test_a_terminating_namespace_takes_nothing_new():
    objects.create(NAMESPACE, {"metadata": {"name": "old"}})
    objects.delete(NAMESPACE, "", "old")
    with pytest.raises(Forbidden) as refusal:
        objects.create(CONFIG_MAP, config_map("a", "old"))
    assert refusal.value.cause == "NamespaceTerminating"


def test_generated_names_are_tried_again_when_taken(monkeypatch):
    letters = iter("aaaaaaaaaabbbbb")
    monkeypatch.setattr("controlplane.store.write.secrets.choice", lambda _: next(letters))
    wire = {"metadata": {"generateName": "web-", "namespace": "default"}}
    assert objects.create(CONFIG_MAP, wire)["metadata"]["name"] == "web-aaaaa"
    assert objects.create(CONFIG_MAP, wire)["metadata"]["name"] == "web-bbbbb"


def test_a_long_generated_name_still_fits_a_label():
    name = objects.create(CONFIG_MAP, {"metadata": {"generateName": "x" * 100, "namespace": "default"}})["metadata"][
        "name"
    ]
    assert len(name) == 63


def test_what_json_cannot_hold_is_refused_and_leaves_nothing():
    revision = objects.current_revision()
    with pytest.raises(Invalid):
        objects.create(CONFIG_MAP, config_map("a", key="\ud800"))
    results = objects.write_many(
        [objects.Create(CONFIG_MAP, config_map("b", key="\ud800")), objects.Create(CONFIG_MAP, config_map("c"))]
    )
    assert isinstance(results[0], Invalid)
    assert isinstance(results[1], dict)
    assert objects.current_revision() == revision + 1


def test_a_bad_quantity_is_refused_and_leaves_nothing():
    wire = pod("a")
    wire["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "a lot"
    with pytest.raises(Invalid, match="cpu"):
        objects.create(POD, wire)
    assert objects.list_objects(POD).items == []


# Replace


def test_a_stale_replace_is_a_conflict():
    first = objects.create(CONFIG_MAP, config_map("a"))
    objects.replace(CONFIG_MAP, {**first, "data": {"key": "second"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        objects.replace(CONFIG_MAP, {**first, "data": {"key": "third"}})
    assert objects.get(CONFIG_MAP, "default", "a")["data"] == {"key": "second"}


def test_a_replace_without_a_revision_is_unconditional_and_keeps_what_the_server_owns():
    first = objects.create(CONFIG_MAP, config_map("a"))
    second = objects.replace(CONFIG_MAP, config_map("a", key="other"))
    for key in ("uid", "creationTimestamp"):
        assert second["metadata"][key] == first["metadata"][key]
    assert second["metadata"]["generation"] == 2


def test_a_replace_of_another_uid_is_a_conflict():
    created = objects.create(CONFIG_MAP, config_map("a"))
    created["metadata"].update(uid="other", resourceVersion="")
    with pytest.raises(Conflict):
        objects.replace(CONFIG_MAP, created)


def test_a_revision_that_is_no_number_is_invalid():
    created = objects.create(CONFIG_MAP, config_map("a"))
    created["metadata"]["resourceVersion"] = "x"
    with pytest.raises(Invalid):
        objects.replace(CONFIG_MAP, created)


def test_an_unchanged_replace_takes_no_revision():
    created = objects.create(POD, pod("a"))
    again = objects.replace(POD, created)
    objects.write_many([objects.Status(POD, "default", "a", {"phase": "Pending"})])
    assert again == created
    assert str(objects.current_revision()) == created["metadata"]["resourceVersion"]


def test_spec_and_status_have_a_door_each():
    created = objects.create(POD, pod("a"))
    both = {**created, "status": {"phase": "Running"}, "spec": {**created["spec"], "priority": 5}}
    by_status = objects.replace(POD, both, subresource="status")
    assert by_status["spec"] == created["spec"]
    assert by_status["status"] == {"phase": "Running"}
    assert by_status["metadata"]["generation"] == 1
    both["metadata"] = {**created["metadata"], "resourceVersion": ""}
    by_spec = objects.replace(POD, {**both, "status": {"phase": "Failed"}})
    assert by_spec["status"] == {"phase": "Running"}
    assert by_spec["spec"]["priority"] == 5
    assert by_spec["metadata"]["generation"] == 2


def test_labels_alone_do_not_raise_the_generation():
    objects.create(POD, pod("a"))
    assert objects.replace(POD, pod("a", labels={"x": "y"}))["metadata"]["generation"] == 1


def test_a_dry_run_answers_and_stores_nothing():
    revision = objects.current_revision()
    imagined = objects.create(CONFIG_MAP, config_map("a"), dry_run=True)
    assert imagined["metadata"]["uid"]
    assert "resourceVersion" not in imagined["metadata"]
    created = objects.create(CONFIG_MAP, config_map("b"))
    assert objects.replace(CONFIG_MAP, config_map("b", x="y"), dry_run=True)["data"] == {"x": "y"}
    assert objects.delete(CONFIG_MAP, "default", "b", dry_run=True).finished
    assert objects.list_objects(CONFIG_MAP).items == [created]
    assert objects.current_revision() == revision + 1


# Mutate


def test_mutate_retries_until_its_change_stands():
    objects.create(CONFIG_MAP, config_map("a", count="0"))

    def work() -> None:
        try:
            for _ in range(25):
                objects.mutate(CONFIG_MAP, "default", "a", _count_up)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as executor:
        for job in [executor.submit(work) for _ in range(4)]:
            job.result()
    assert objects.get(CONFIG_MAP, "default", "a")["data"]["count"] == "100"


def _count_up(wire):
    wire["data"]["count"] = str(int(wire["data"]["count"]) + 1)
    return wire


def test_of_two_swaps_from_one_revision_exactly_one_wins():
    objects.create(CONFIG_MAP, config_map("a"))
    barrier = threading.Barrier(6)

    def swap(index: int) -> bool:
        try:
            read = objects.get(CONFIG_MAP, "default", "a")
            barrier.wait(timeout=20)
            objects.replace(CONFIG_MAP, {**read, "data": {"winner": f"{index}-{read['metadata']['resourceVersion']}"}})
        except Conflict:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(6) as executor:
        for _ in range(10):
            assert sum(executor.map(swap, range(6))) == 1


def test_mutate_with_nothing_to_do_writes_nothing():
    created = objects.create(CONFIG_MAP, config_map("a"))
    assert objects.mutate(CONFIG_MAP, "default", "a", lambda _: None) == created
    assert str(objects.current_revision()) == created["metadata"]["resourceVersion"]


def test_a_precondition_inside_a_mutation_is_not_retried():
    objects.create(CONFIG_MAP, config_map("a"))
    calls = []

    def change(wire):
        calls.append(1)
        wire["metadata"]["resourceVersion"] = "1"
        return wire

    with pytest.raises(Conflict):
        objects.mutate(CONFIG_MAP, "default", "a", change)
    assert len(calls) == 1


# Many at once


def test_a_batch_is_one_block_of_revisions_and_each_write_stands_alone():
    objects.create(POD, pod("a"))
    start = objects.current_revision()
    results = objects.write_many(
        [
            objects.Create(CONFIG_MAP, config_map("new")),
            objects.Bind("default", "a", "n1"),
            objects.Status(POD, "default", "missing", {}),
            objects.Status(POD, "default", "a", {"phase": "Running"}, uid="another"),
            objects.Status(POD, "default", "a", {"phase": "Running"}),
            objects.Patch(POD, "default", "a", lambda wire: {**wire, "spec": {**wire["spec"], "priority": 7}}),
            objects.Delete(CONFIG_MAP, "default", "new"),
        ]
    )
    assert [type(result).__name__ for result in results] == [
        "dict",
        "dict",
        "NotFound",
        "NotFound",
        "dict",
        "dict",
        "dict",
    ]
    changes = objects.changes_since(start, 100)
    assert [(change.revision - start, change.type.value, change.name) for change in changes] == [
        (1, "ADDED", "new"),
        (2, "MODIFIED", "a"),
        (3, "MODIFIED", "a"),
        (4, "MODIFIED", "a"),
        (5, "DELETED", "new"),
    ]
    final = objects.get(POD, "default", "a")
    assert final == results[5] == changes[3].object
    assert (final["spec"]["nodeName"], final["spec"]["priority"], final["status"]["phase"]) == ("n1", 7, "Running")


def test_an_object_may_be_replaced_by_its_namesake_in_one_batch():
    old = objects.create(CONFIG_MAP, config_map("a", which="old"))
    objects.write_many(
        [objects.Delete(CONFIG_MAP, "default", "a"), objects.Create(CONFIG_MAP, config_map("a", which="new"))]
    )
    new = objects.get(CONFIG_MAP, "default", "a")
    assert new["data"] == {"which": "new"}
    assert new["metadata"]["uid"] != old["metadata"]["uid"]


def test_a_pod_is_bound_once():
    objects.create(POD, pod("a"))
    first, again, other = objects.write_many(
        [objects.Bind("default", "a", "n1"), objects.Bind("default", "a", "n1"), objects.Bind("default", "a", "n2")]
    )
    assert isinstance(first, dict)
    assert first["status"]["conditions"][0]["type"] == "PodScheduled"
    assert again == first
    assert isinstance(other, Conflict)


def test_a_change_that_fails_takes_the_whole_batch_back():
    revision = objects.current_revision()
    objects.create(POD, pod("a"))

    def broken(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        objects.write_many([objects.Create(CONFIG_MAP, config_map("a")), objects.Patch(POD, "default", "a", broken)])
    assert objects.list_objects(CONFIG_MAP).items == []
    assert objects.current_revision() == revision + 1


# Delete


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


# Lists


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ("app=web", "ab"),
        ("app in (web, db)", "abc"),
        ("app!=web", "cd"),
        ("app notin (web, db)", "d"),
        ("tier", "bd"),
        ("!tier", "ac"),
        ("app=web,tier=front", "b"),
        ("size>2", "c"),
        ("", "abcd"),
    ],
)
def test_label_selectors_choose(labels, names):
    for name, own in {
        "a": {"app": "web"},
        "b": {"app": "web", "tier": "front"},
        "c": {"app": "db", "size": "3"},
        "d": {"tier": "front"},
    }.items():
        objects.create(POD, pod(name, labels=own))
    page = objects.list_objects(POD, labels=LabelSelector.parse(labels))
    assert "".join(item["metadata"]["name"] for item in page.items) == names
    paged = objects.list_objects(POD, labels=LabelSelector.parse(labels), limit=1)
    assert paged.items == page.items[:1]


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ("metadata.name=a", "a"),
        ("metadata.namespace!=default", ""),
        ("spec.nodeName=n1", "b"),
        ("spec.nodeName=", "a"),
        ("status.phase=Running", "b"),
        ("status.podIP=10.0.0.1", "b"),
        ("status.podIP!=10.0.0.1,status.phase!=Running", "a"),
    ],
)
def test_field_selectors_choose(fields, names):
    objects.create(POD, pod("a"))
    objects.create(POD, {**pod("b", node="n1"), "status": {"phase": "Running", "podIP": "10.0.0.1"}})
    items = objects.list_objects(POD, fields=FieldSelector.parse(fields)).items
    assert "".join(item["metadata"]["name"] for item in items) == names


def test_events_are_found_by_what_they_are_about():
    for number, involved in enumerate([{"name": "a", "uid": "1"}, {"name": "n1"}]):
        wire = {"metadata": {"name": f"e{number}", "namespace": "default"}, "involvedObject": involved}
        objects.create(EVENT, wire)

    def names(text):
        items = objects.list_objects(EVENT, fields=FieldSelector.parse(text)).items
        return [item["metadata"]["name"] for item in items]

    assert names("involvedObject.name=a,involvedObject.uid=1") == ["e0"]
    assert names("involvedObject.uid=") == ["e1"]


def test_relabelling_moves_an_object_between_selectors():
    objects.create(POD, pod("a", labels={"app": "web"}))
    objects.replace(POD, pod("a", labels={"app": "db"}))
    assert objects.list_objects(POD, labels=LabelSelector.parse("app=web")).items == []
    assert len(objects.list_objects(POD, labels=LabelSelector.parse("app=db")).items) == 1
    objects.delete(POD, "default", "a")
    objects.create(POD, pod("a"))
    assert objects.list_objects(POD, labels=LabelSelector.parse("app")).items == []


def test_an_empty_list_tells_its_revision():
    assert objects.list_objects(POD).revision == objects.current_revision() > 0


# What the scheduler asks


def test_usage_counts_what_is_bound_and_not_over():
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}}
    init = {"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Mi"}}}
    big = pod("big", node="n1")
    big["spec"]["initContainers"] = [sidecar, init]
    objects.create(POD, big)
    objects.create(POD, pod("small", node="n1"))
    objects.create(POD, {**pod("over", node="n1"), "status": {"phase": "Succeeded"}})
    objects.create(POD, pod("waiting"))
    assert objects.node_usage() == {"n1": objects.Usage(2, 2100 + 250, 2 * 64 * 2**20, 0)}
    assert [item["metadata"]["name"] for item in objects.pods_on("n1")] == ["big", "over", "small"]


def test_the_most_important_pending_pod_comes_first():
    for name, priority in (("a", 0), ("b", 10), ("c", 0)):
        wire = pod(name)
        wire["spec"]["priority"] = priority
        objects.create(POD, wire)
    objects.create(POD, pod("bound", node="n1"))
    assert [item["metadata"]["name"] for item in objects.pending_pods()] == ["b", "a", "c"]


def test_the_encoded_form_is_the_object_to_the_byte():
    metadata = {"name": "ä", "annotations": {"a": 'b"\\'}, "finalizers": ["example.com/x"], "labels": {"l": "m"}}
    held = {"metadata": {**metadata, "namespace": "default"}, "data": {"k": "v"}}
    objects.create(CONFIG_MAP, held)
    objects.delete(CONFIG_MAP, "default", "ä")
    objects.create(CONFIG_MAP, {"metadata": {"name": "bare", "namespace": "default"}})
    objects.create(SECRET, held)
    objects.create(NODE, {"metadata": metadata, "status": {"phase": "x"}})
    objects.create(POD, pod("a", node="n1"))
    objects.delete(POD, "default", "a")
    for kind in (CONFIG_MAP, SECRET, NODE, POD, NAMESPACE):
        plain, encoded = objects.list_objects(kind), objects.list_encoded(kind)
        assert plain.items
        assert encoded.items == [orjson.dumps(item) for item in plain.items]
        assert encoded.revision == plain.revision
        for item in plain.items:
            place = item["metadata"].get("namespace", ""), item["metadata"]["name"]
            assert objects.get_encoded(kind, *place) == orjson.dumps(item)


def test_encoded_pages_filter_and_follow_the_history():
    for number in range(6):
        objects.create(POD, pod(f"p{number}", labels={"n": str(number)}))
    question: dict[str, Any] = {
        "labels": LabelSelector.parse("n>0"),
        "fields": FieldSelector.parse("spec.restartPolicy="),
    }
    moment = objects.list_encoded(POD, **question)
    page = objects.list_encoded(POD, limit=2, **question)
    objects.delete(POD, "default", "p4")
    rest = objects.list_encoded(POD, continue_token=page.continue_token, **question)
    assert page.items + rest.items == moment.items
    assert len(moment.items) == 5
