"""What the store's functions promise, one object at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from schema.kinds import CONFIG_MAP, EVENT, LEASE, NAMESPACE, NODE, POD, SECRET, SERVICE_ACCOUNT
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
    assert (
        created["spec"].items() >= {**given["spec"], "priority": 0, "preemptionPolicy": "PreemptLowerPriority"}.items()
    )
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
    created = objects.create(POD, pod("a"))
    created["metadata"]["labels"] = {"x": "y"}
    assert objects.replace(POD, created)["metadata"]["generation"] == 1


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
