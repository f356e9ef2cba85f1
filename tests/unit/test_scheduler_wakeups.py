"""Which changes wake the scheduler."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from controlplane.scheduler import wakeups
from controlplane.store import kinds as storages
from controlplane.store.record import ChangeRecord, ChangeType
from schema import kinds


def record(kind, type_, spec=None, status=None, *, previous=None, **metadata) -> ChangeRecord:
    storage = storages.of(kind)
    wire = {"metadata": {"name": "x", "generation": 1, **metadata}, "spec": spec or {}, "status": status or {}}
    return ChangeRecord(
        revision=1, storage=storage, type=type_, namespace="", name="x", uid=metadata.get("uid", "u"),
        json=orjson.dumps(wire), previous=({}, kind.field_values({**wire, **previous})) if previous else None,
    )  # fmt: skip


def told(generation: int) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "observedGeneration": generation}]}


BOUND = {"nodeName": "a"}


@pytest.mark.parametrize(
    ("change", "wakes"),
    [
        (record(kinds.POD, ChangeType.ADDED), True),
        (record(kinds.POD, ChangeType.ADDED, BOUND), False),
        (record(kinds.POD, ChangeType.MODIFIED, {}, told(1)), False),
        (record(kinds.POD, ChangeType.MODIFIED, {}, told(1), generation=2), True),
        (record(kinds.POD, ChangeType.MODIFIED, BOUND, {"phase": "Running"}), False),
        (
            record(
                kinds.POD, ChangeType.MODIFIED, BOUND, {"phase": "Failed"}, previous={"status": {"phase": "Running"}}
            ),
            True,
        ),
        (record(kinds.POD, ChangeType.MODIFIED, BOUND, {"phase": "Failed"}), False),
        (record(kinds.POD, ChangeType.DELETED, BOUND), True),
        (record(kinds.POD, ChangeType.DELETED), False),
        (record(kinds.CONFIG_MAP, ChangeType.ADDED), False),
        (record(kinds.LEASE, ChangeType.MODIFIED), False),
    ],
    ids=[
        "new", "new and bound", "our own answer", "wishes changed", "running", "ended", "still ended", "bound one gone",
        "pending one gone", "config map", "lease",
    ],
)  # fmt: skip
def test_pods(change, wakes):
    assert wakeups.wakes(change) is wakes


@pytest.mark.parametrize(
    ("spec", "status", "metadata", "wakes"),
    [
        ({}, {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "now"}]}, {}, False),
        ({}, {"conditions": [{"type": "Ready", "status": "False"}]}, {}, True),
        ({"unschedulable": True}, {}, {}, True),
        ({"taints": [{"key": "x", "effect": "NoSchedule"}]}, {}, {}, True),
        ({}, {"allocatable": {"cpu": "3"}}, {}, True),
        ({}, {}, {"labels": {"disk": "ssd"}}, True),
        ({"podCIDR": "10.0.0.0/24"}, {"images": []}, {"annotations": {"a": "b"}}, False),
    ],
    ids=["heartbeat", "not ready", "cordoned", "tainted", "allocatable", "labelled", "something else"],
)
def test_a_node_wakes_only_by_what_placement_goes_by(spec, status, metadata, wakes):
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"cpu": "2"}}
    nodes = wakeups.Nodes()
    before = record(kinds.NODE, ChangeType.ADDED, {}, ready)
    assert nodes.differs("u", before.object), "a new node"
    after = record(kinds.NODE, ChangeType.MODIFIED, spec, {**ready, **status}, **metadata)
    assert nodes.differs("u", after.object) is wakes


def test_it_remembers_a_bounded_number_of_nodes():
    nodes = wakeups.Nodes(remembered=1)
    wire: dict[str, Any] = {"metadata": {}}
    assert nodes.differs("a", wire)
    assert nodes.differs("b", wire)
    assert nodes.differs("a", wire), "forgotten: waking once too often is harmless"
