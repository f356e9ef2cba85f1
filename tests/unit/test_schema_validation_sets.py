"""Validation of StatefulSets and DaemonSets."""

import copy

import pytest

from schema import kinds, validation
from schema.base import Wire
from tests.unit.test_schema_validation import DUPLICATE, FORBIDDEN, INVALID, REQUIRED, TYPE, UNSUPPORTED, faults

CONTAINER = {"name": "c", "image": "busybox"}
TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [CONTAINER]}}
CLAIM: Wire = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def wire(kind, name="web", **spec):
    made = {"selector": {"matchLabels": {"app": "x"}}, "template": copy.deepcopy(TEMPLATE), **spec}
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {key: value for key, value in made.items() if value is not None},
    }


def rolling(**fields):
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": fields}}


def pod(**spec):
    return {"template": {**TEMPLATE, "spec": {"containers": [CONTAINER], **spec}}}


SETS = [kinds.STATEFUL_SET, kinds.DAEMON_SET]


@pytest.mark.parametrize("kind", SETS, ids=str)
@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"selector": None}, REQUIRED, "spec.selector"),
        ({"selector": {}}, INVALID, "spec.selector"),
        ({"selector": {"matchLabels": {"app": "y"}}}, INVALID, "spec.template.metadata.labels"),
        ({"template": None}, REQUIRED, "spec.template"),
        (pod(containers=[]), REQUIRED, "spec.template.spec.containers"),
        (pod(restartPolicy="Never"), UNSUPPORTED, "spec.template.spec.restartPolicy"),
        (pod(activeDeadlineSeconds=5), FORBIDDEN, "spec.template.spec.activeDeadlineSeconds"),
        ({"minReadySeconds": -1}, INVALID, "spec.minReadySeconds"),
        ({"revisionHistoryLimit": -1}, INVALID, "spec.revisionHistoryLimit"),
        ({"updateStrategy": {"type": "Sometimes"}}, UNSUPPORTED, "spec.updateStrategy.type"),
        (rolling(maxUnavailable="half"), INVALID, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        (rolling(maxUnavailable="150%"), INVALID, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        (rolling(maxUnavailable=-1), INVALID, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        (
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"maxUnavailable": 1}}},
            INVALID,
            "spec.updateStrategy.rollingUpdate",
        ),
    ],
)
def test_a_fault_of_either_is_blamed_on_its_field(kind, spec, reason, field):
    assert (reason, field) in faults(wire(kind, **spec), kind)


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"replicas": -1}, INVALID, "spec.replicas"),
        ({"replicas": "three"}, TYPE, "spec.replicas"),
        ({"ordinals": {"start": -1}}, INVALID, "spec.ordinals.start"),
        ({"podManagementPolicy": "Random"}, UNSUPPORTED, "spec.podManagementPolicy"),
        ({"serviceName": "No Name"}, INVALID, "spec.serviceName"),
        (rolling(partition=-1), INVALID, "spec.updateStrategy.rollingUpdate.partition"),
        (rolling(maxUnavailable=0), INVALID, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        ({"volumeClaimTemplates": [CLAIM, CLAIM]}, DUPLICATE, "spec.volumeClaimTemplates[1].metadata.name"),
        ({"volumeClaimTemplates": [{**CLAIM, "metadata": {}}]}, REQUIRED, "spec.volumeClaimTemplates[0].metadata.name"),
        (
            {"volumeClaimTemplates": [{**CLAIM, "spec": {**CLAIM["spec"], "accessModes": ["All"]}}]},
            UNSUPPORTED,
            "spec.volumeClaimTemplates[0].spec.accessModes[0]",
        ),
        (
            {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Maybe"}},
            UNSUPPORTED,
            "spec.persistentVolumeClaimRetentionPolicy.whenDeleted",
        ),
        (
            pod(containers=[{**CONTAINER, "volumeMounts": [{"name": "none", "mountPath": "/x"}]}]),
            "FieldValueNotFound",
            "spec.template.spec.containers[0].volumeMounts[0].name",
        ),
    ],
)
def test_a_fault_of_a_stateful_set_is_blamed_on_its_field(spec, reason, field):
    assert (reason, field) in faults(wire(kinds.STATEFUL_SET, **spec), kinds.STATEFUL_SET)


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        (rolling(maxUnavailable=0, maxSurge=0), REQUIRED, "spec.updateStrategy.rollingUpdate.maxUnavailable"),
        (rolling(maxUnavailable=1, maxSurge="25%"), INVALID, "spec.updateStrategy.rollingUpdate.maxSurge"),
        (rolling(maxUnavailable=0, maxSurge="x"), INVALID, "spec.updateStrategy.rollingUpdate.maxSurge"),
    ],
)
def test_a_fault_of_a_daemon_set_is_blamed_on_its_field(spec, reason, field):
    assert (reason, field) in faults(wire(kinds.DAEMON_SET, **spec), kinds.DAEMON_SET)


def test_containers_mount_what_the_claim_templates_name():
    mounts = [{"name": "data", "mountPath": "/data"}]
    spec = {**pod(containers=[{**CONTAINER, "volumeMounts": mounts}]), "volumeClaimTemplates": [CLAIM]}
    assert faults(wire(kinds.STATEFUL_SET, **spec), kinds.STATEFUL_SET) == []


def test_a_name_leaves_room_for_its_pods():
    assert faults(wire(kinds.STATEFUL_SET, "x" * 52), kinds.STATEFUL_SET) == []
    assert faults(wire(kinds.STATEFUL_SET, "x" * 53), kinds.STATEFUL_SET) == [(INVALID, "metadata.name")]
    assert faults(wire(kinds.STATEFUL_SET, "a.b"), kinds.STATEFUL_SET) == [(INVALID, "metadata.name")]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"serviceName": "other"}, "spec.serviceName"),
        ({"podManagementPolicy": "Parallel"}, "spec.podManagementPolicy"),
        ({"volumeClaimTemplates": [CLAIM]}, "spec.volumeClaimTemplates"),
        ({"serviceName": "other", "podManagementPolicy": "Parallel"}, "spec"),
    ],
)
def test_what_a_stateful_set_is_stays(changed, field):
    old, new = wire(kinds.STATEFUL_SET), wire(kinds.STATEFUL_SET, **changed)
    assert faults(new, kinds.STATEFUL_SET, old) == [(FORBIDDEN, field)]


@pytest.mark.parametrize(
    "changed",
    [
        {"replicas": 7},
        {"ordinals": {"start": 1}},
        pod(terminationGracePeriodSeconds=5),
        rolling(partition=2),
        {"minReadySeconds": 5},
        {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}},
    ],
)
def test_how_a_stateful_set_runs_may_change(changed):
    assert faults(wire(kinds.STATEFUL_SET, **changed), kinds.STATEFUL_SET, wire(kinds.STATEFUL_SET)) == []


def test_the_selector_of_a_daemon_set_stays():
    labels = {"app": "x", "more": "y"}
    new = wire(kinds.DAEMON_SET, selector={"matchLabels": labels})
    new["spec"]["template"]["metadata"]["labels"] = labels
    assert (INVALID, "spec.selector") in faults(new, kinds.DAEMON_SET, wire(kinds.DAEMON_SET))


def test_what_nobody_says_is_filled_in():
    stateful, daemon = wire(kinds.STATEFUL_SET, volumeClaimTemplates=[copy.deepcopy(CLAIM)]), wire(kinds.DAEMON_SET)
    validation.default(kinds.STATEFUL_SET, stateful)
    validation.default(kinds.DAEMON_SET, daemon)
    spec = stateful["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"], spec["revisionHistoryLimit"]) == (1, "OrderedReady", 10)
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    rolled = {"maxSurge": 0, "maxUnavailable": 1}
    assert daemon["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": rolled}
