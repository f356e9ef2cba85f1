"""Owners and dependents on a real store, with every commit taken to the collector."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.controllers import registry
from controlplane.controllers.garbage import GarbageCollector
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.signals import committed
from schema import kinds
from schema.meta import DeleteOptions
from tests.api.cluster_objects import config_map, namespace, node, owned_by, pod, running
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def exists(name, space="default", kind=kinds.CONFIG_MAP):
    try:
        objects.get(kind, space, name)
    except NotFound:
        return False
    return True


def delete(name, policy="", kind=kinds.CONFIG_MAP):
    return objects.delete(kind, "default", name, options=DeleteOptions(propagation_policy=policy) if policy else None)


def test_dependents_follow_their_owner_in_the_background(pump):
    top = config_map("top")
    middle = config_map("middle", ownerReferences=[owned_by(top)])
    config_map("leaf", ownerReferences=[owned_by(middle)])
    config_map("stranger")
    assert delete("top").finished
    pump.settle()
    assert [exists(name) for name in ("top", "middle", "leaf", "stranger")] == [False, False, False, True]


def test_a_dependent_stays_while_one_owner_lives(pump):
    first, second = config_map("first"), config_map("second")
    config_map("child", ownerReferences=[owned_by(first), owned_by(second)])
    delete("first")
    pump.settle()
    references = objects.get(kinds.CONFIG_MAP, "default", "child")["metadata"]["ownerReferences"]
    assert [each["name"] for each in references] == ["second"]
    delete("second")
    pump.settle()
    assert not exists("child")


def test_new_dependents_of_one_owner_are_one_key(pump):
    owner = config_map("owner")
    keys: list[Any] = []

    def receive(changes, **_):
        keys.extend(key for change in changes for key in GarbageCollector().keys_for(change))

    committed.connect(receive, weak=False)
    try:
        for number in range(3):
            config_map(f"child-{number}", ownerReferences=[owned_by(owner)])
    finally:
        committed.disconnect(receive)
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_an_orphaning_owner_lets_its_dependents_go_first(pump):
    owner = config_map("owner")
    config_map("child", ownerReferences=[owned_by(owner)])
    assert not delete("owner", "Orphan").finished
    pump.settle()
    assert not exists("owner")
    assert "ownerReferences" not in objects.get(kinds.CONFIG_MAP, "default", "child")["metadata"]


def test_a_foreground_owner_waits_for_dependents_that_block_it(pump):
    node()
    owner = config_map("owner")
    pod("child", nodeName="node-a", status=running(), metadata={"ownerReferences": [owned_by(owner, block=True)]})
    delete("owner", "Foreground")
    pump.settle()
    child = objects.get(kinds.POD, "default", "child")
    assert "deletionTimestamp" in child["metadata"], "told to go"
    assert exists("owner"), "its agent has not ended it yet"
    objects.finish_deletion(kinds.POD, "default", "child", child["metadata"]["uid"])
    pump.settle()
    assert not exists("owner")


def test_a_foreground_owner_does_not_wait_for_the_others(pump):
    node()
    owner = config_map("owner")
    pod("child", nodeName="node-a", status=running(), metadata={"ownerReferences": [owned_by(owner)]})
    delete("owner", "Foreground")
    pump.settle()
    assert not exists("owner")
    assert "deletionTimestamp" in objects.get(kinds.POD, "default", "child")["metadata"]


def test_foreground_reaches_down_the_whole_tree(pump):
    node()
    top = config_map("top")
    middle = config_map("middle", ownerReferences=[owned_by(top, block=True)])
    pod("leaf", nodeName="node-a", status=running(), metadata={"ownerReferences": [owned_by(middle, block=True)]})
    delete("top", "Foreground")
    pump.settle()
    assert [exists("top"), exists("middle")] == [True, True]
    leaf = objects.get(kinds.POD, "default", "leaf")
    objects.finish_deletion(kinds.POD, "default", "leaf", leaf["metadata"]["uid"])
    pump.settle()
    assert [exists("top"), exists("middle")] == [False, False]


def test_a_foreground_owner_leaves_a_dependent_to_its_other_owner(pump):
    leaving, staying = config_map("leaving"), config_map("staying")
    config_map("child", ownerReferences=[owned_by(leaving, block=True), owned_by(staying)])
    delete("leaving", "Foreground")
    pump.settle()
    assert [exists("leaving"), exists("child")] == [False, True]


def test_two_that_wait_for_each_other_both_go(pump):
    first = config_map("first")
    second = config_map("second", ownerReferences=[owned_by(first, block=True)])
    objects.mutate(
        kinds.CONFIG_MAP, "default", "first",
        lambda wire: {**wire, "metadata": {**wire["metadata"], "ownerReferences": [owned_by(second, block=True)]}},
    )  # fmt: skip
    delete("first", "Foreground")
    pump.settle()
    assert [exists("first"), exists("second")] == [False, False]


@pytest.mark.parametrize("change", [{"uid": "0" * 36}, {"name": "nobody"}], ids=["uid", "name"])
def test_an_object_born_of_nobody_is_deleted(pump, change):
    owner = config_map("owner")
    config_map("child", ownerReferences=[{**owned_by(owner), **change}])
    pump.settle()
    assert [exists("owner"), exists("child")] == [True, False]


def test_an_owner_in_another_namespace_is_nobody(pump):
    namespace("elsewhere")
    owner = config_map("owner", "elsewhere")
    config_map("child", ownerReferences=[owned_by(owner)])
    pump.settle()
    assert not exists("child")


def test_a_cluster_wide_owner_counts_everywhere(pump):
    owner = node()
    config_map("child", ownerReferences=[owned_by(owner)])
    pump.settle()
    assert exists("child")
    objects.delete(kinds.NODE, "", "node-a")
    pump.settle()
    assert not exists("child")


def test_a_reference_to_a_kind_that_is_not_served_protects_its_object(pump):
    config_map("child", ownerReferences=[{"apiVersion": "x.io/v1", "kind": "Thing", "name": "t", "uid": "1" * 36}])
    pump.settle()
    registry.GARBAGE.full_pass()
    assert exists("child")


def test_finalizers_of_dependents_are_honoured(pump):
    owner = config_map("owner")
    config_map("child", ownerReferences=[owned_by(owner)], finalizers=["example.com/backup"])
    delete("owner")
    pump.settle()
    child = objects.get(kinds.CONFIG_MAP, "default", "child")
    assert "deletionTimestamp" in child["metadata"]


def test_the_full_pass_finds_what_no_message_told():
    owner, waiting = config_map("owner"), config_map("waiting")
    config_map("child", ownerReferences=[owned_by(owner)])
    config_map("blocked", ownerReferences=[owned_by(waiting, block=True)])
    delete("owner")
    delete("waiting", "Foreground")
    for _ in range(2):
        registry.GARBAGE.full_pass()
    assert not any(exists(name) for name in ("child", "blocked", "waiting"))
