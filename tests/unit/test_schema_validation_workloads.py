"""Validation of the workloads: each rule has a row that names the field blamed."""

from __future__ import annotations

import copy

import pytest

from schema import kinds, validation
from tests.unit.test_schema_validation import FORBIDDEN, INVALID, REQUIRED, TYPE, UNSUPPORTED, faults

TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
OLD_LABELS = (kinds.REPLICATION_CONTROLLER,)
SELECTED = (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.REPLICATION_CONTROLLER)


def workload(kind, **spec):
    selector = {"app": "x"} if kind in OLD_LABELS else {"matchLabels": {"app": "x"}}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "x", "namespace": "default"},
        "spec": {"selector": selector, "template": copy.deepcopy(TEMPLATE), **spec},
    }


def template(**changes):
    made = copy.deepcopy(TEMPLATE)
    made["spec"] |= changes.pop("spec", {})
    return {**made, **changes}


@pytest.mark.parametrize("kind", SELECTED, ids=str)
def test_an_ordinary_one_is_sound_and_gets_its_defaults(kind):
    wire = workload(kind)
    assert faults(wire, kind) == []
    validation.default(kind, wire)
    assert wire["spec"]["replicas"] == 1
    assert wire["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    if kind is kinds.DEPLOYMENT:
        assert wire["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
        assert (wire["spec"]["revisionHistoryLimit"], wire["spec"]["progressDeadlineSeconds"]) == (10, 600)
    else:
        assert wire["metadata"]["labels"] == {"app": "x"}


def test_a_replication_controller_selects_by_the_labels_of_its_template():
    wire = workload(kinds.REPLICATION_CONTROLLER)
    del wire["spec"]["selector"]
    validation.default(kinds.REPLICATION_CONTROLLER, wire)
    assert wire["spec"]["selector"] == {"app": "x"}


LABELS = "spec.template.metadata.labels"


@pytest.mark.parametrize("kind", SELECTED, ids=str)
@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"replicas": -1}, INVALID, "spec.replicas"),
        ({"replicas": "3"}, TYPE, "spec.replicas"),
        ({"minReadySeconds": -1}, INVALID, "spec.minReadySeconds"),
        ({"template": template(metadata={"labels": {"app": "y"}})}, INVALID, LABELS),
        ({"template": template(metadata={"labels": {"app": "x", "a b": "c"}})}, INVALID, LABELS),
        ({"template": None}, REQUIRED, "spec.template"),
        ({"template": template(spec={"containers": []})}, REQUIRED, "spec.template.spec.containers"),
        ({"template": template(spec={"restartPolicy": "Never"})}, UNSUPPORTED, "spec.template.spec.restartPolicy"),
        (
            {"template": template(spec={"activeDeadlineSeconds": 5})},
            FORBIDDEN,
            "spec.template.spec.activeDeadlineSeconds",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_of_a_workload_is_found(kind, spec, reason, field):
    assert (reason, field) in faults(workload(kind, **spec), kind)


@pytest.mark.parametrize("kind", [kinds.DEPLOYMENT, kinds.REPLICA_SET], ids=str)
@pytest.mark.parametrize(
    ("selector", "reason", "field"),
    [
        (None, REQUIRED, "spec.selector"),
        ({}, INVALID, "spec.selector"),
        ({"matchLabels": {"a b": "c"}}, INVALID, "spec.selector.matchLabels"),
        (
            {"matchExpressions": [{"key": "app", "operator": "In"}]},
            REQUIRED,
            "spec.selector.matchExpressions[0].values",
        ),
        (
            {"matchExpressions": [{"key": "app", "operator": "Near"}]},
            UNSUPPORTED,
            "spec.selector.matchExpressions[0].operator",
        ),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, INVALID, LABELS),
    ],
)
def test_each_fault_of_a_selector_is_found(kind, selector, reason, field):
    assert (reason, field) in faults(workload(kind, selector=selector), kind)


@pytest.mark.parametrize("kind", [kinds.DEPLOYMENT, kinds.REPLICA_SET], ids=str)
def test_a_selector_stays_as_it_is(kind):
    old, new = workload(kind), workload(kind)
    labels = {"app": "x", "tier": "y"}
    new["spec"] |= {"selector": {"matchLabels": labels}, "template": template(metadata={"labels": labels})}
    causes = validation.validate(kind, new, old)
    assert [(cause.reason, cause.field) for cause in causes] == [(INVALID, "spec.selector")]


ROLLING = "spec.strategy.rollingUpdate"


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"strategy": {"type": "Sideways"}}, UNSUPPORTED, "spec.strategy.type"),
        ({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}, INVALID, f"{ROLLING}.maxUnavailable"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": "0%", "maxUnavailable": 0}}},
            INVALID,
            f"{ROLLING}.maxUnavailable",
        ),
        ({"strategy": {"rollingUpdate": {"maxSurge": "a lot"}}}, INVALID, f"{ROLLING}.maxSurge"),
        ({"strategy": {"rollingUpdate": {"maxSurge": -1}}}, INVALID, f"{ROLLING}.maxSurge"),
        ({"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}}, INVALID, f"{ROLLING}.maxUnavailable"),
        ({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}, FORBIDDEN, ROLLING),
        ({"progressDeadlineSeconds": 5, "minReadySeconds": 5}, INVALID, "spec.progressDeadlineSeconds"),
        ({"progressDeadlineSeconds": -1}, INVALID, "spec.progressDeadlineSeconds"),
        ({"revisionHistoryLimit": -1}, INVALID, "spec.revisionHistoryLimit"),
    ],
)
def test_each_fault_of_a_deployment_is_found(spec, reason, field):
    assert (reason, field) in faults(workload(kinds.DEPLOYMENT, **spec), kinds.DEPLOYMENT)


def test_a_revision_keeps_its_data():
    old = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "x-1", "namespace": "default"},
        "revision": 1,
        "data": {"spec": {}},
    }
    kind = kinds.CONTROLLER_REVISION
    assert faults(old, kind) == []
    assert faults({**old, "revision": -1}, kind) == [(INVALID, "revision")]
    assert faults({key: old[key] for key in old if key != "data"}, kind) == [(REQUIRED, "data")]
    changed = validation.validate(kind, {**old, "data": {"spec": {"a": 1}}}, old)
    assert [(cause.reason, cause.field) for cause in changed] == [(INVALID, "data")]
    assert validation.validate(kind, {**old, "revision": 2}, old) == []
