"""Repository and Trigger: each rule names the field it blames."""

from __future__ import annotations

from typing import Any

import pytest

from schema import kinds
from schema.base import Wire
from tests.unit.test_schema_validation import FORBIDDEN, INVALID, REQUIRED, UNSUPPORTED, faults


def trigger(**spec: Any) -> Wire:
    target = {"kind": "Deployment", "name": "web", **spec.pop("target", {})}
    metadata = {"name": "x", "namespace": "default"}
    return {"apiVersion": "slipway.dev/v1", "kind": "Trigger", "metadata": metadata, "spec": {"target": target, **spec}}


def repository(path: str, name: str = "app") -> Wire:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "slipway.dev/v1", "kind": "Repository", "metadata": metadata, "spec": {"path": path}}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"action": "Scale", "replicas": 0},
        {"action": "Scale", "maxReplicas": 3},
        {"action": "Scale", "minReplicas": 3, "maxReplicas": 3},
        {"target": {"kind": "DaemonSet"}},
        {"action": "Scale", "replicas": 1, "target": {"kind": "ReplicaSet"}},
    ],
)
def test_sound_triggers(spec: Wire) -> None:
    assert faults(trigger(**spec), kinds.TRIGGER) == []


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"action": "Stop"}, "spec.action", UNSUPPORTED),
        ({"action": "Scale"}, "spec.maxReplicas", REQUIRED),
        ({"action": "Scale", "minReplicas": 4, "maxReplicas": 3}, "spec.maxReplicas", INVALID),
        ({"action": "Scale", "replicas": 1, "maxReplicas": 3}, "spec.maxReplicas", FORBIDDEN),
        ({"action": "Scale", "replicas": 1, "minReplicas": 1}, "spec.minReplicas", FORBIDDEN),
        ({"action": "Scale", "replicas": 1, "target": {"kind": "DaemonSet"}}, "spec.action", INVALID),
        ({"target": {"kind": "ReplicaSet"}}, "spec.action", INVALID),
        ({"target": {"kind": "Job"}}, "spec.target.kind", UNSUPPORTED),
        ({"target": {"name": ""}}, "spec.target.name", REQUIRED),
        ({"replicas": 1}, "spec.replicas", FORBIDDEN),
        ({"maxReplicas": 1}, "spec.maxReplicas", FORBIDDEN),
    ],
)
def test_triggers_that_make_no_sense(spec: Wire, field: str, reason: str) -> None:
    assert (reason, field) in faults(trigger(**spec), kinds.TRIGGER)


@pytest.mark.parametrize(("path", "name"), [("default/app", "app"), ("default/a/b", "a-b-1f2e3d4c"), ("", "app")])
def test_sound_repositories(path: str, name: str) -> None:
    assert faults(repository(path, name), kinds.REPOSITORY) == []


@pytest.mark.parametrize(
    "path", ["other/app", "app", "default/web", "default/App", "default/a//b", "default/", "default/../x"]
)
def test_repositories_that_cannot_be(path: str) -> None:
    assert (INVALID, "spec.path") in faults(repository(path), kinds.REPOSITORY)
