"""Validation of claims, volumes and classes."""

import copy

import pytest

from schema import kinds, validation
from schema.base import Wire
from tests.unit.test_schema_validation import FORBIDDEN, INVALID, REQUIRED, UNSUPPORTED, faults

CLAIM: Wire = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data", "namespace": "default"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}
VOLUME: Wire = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "disk"},
    "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/srv"}},
}
CLASS: Wire = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fast"},
    "provisioner": "local.slipway.dev",
}
LOCAL = {"local": {"path": "/srv"}, "hostPath": None}


def changed(base, **spec):
    made = copy.deepcopy(base)
    made["spec"] = {key: value for key, value in {**made["spec"], **spec}.items() if value is not None}
    return made


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (kinds.PERSISTENT_VOLUME_CLAIM, CLAIM),
        (kinds.PERSISTENT_VOLUME, VOLUME),
        (kinds.STORAGE_CLASS, CLASS),
    ],
)
def test_what_is_whole_is_sound(kind, wire):
    assert faults(wire, kind) == []


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"accessModes": []}, REQUIRED, "spec.accessModes"),
        ({"accessModes": ["ReadWriteSometimes"]}, UNSUPPORTED, "spec.accessModes[0]"),
        ({"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}, FORBIDDEN, "spec.accessModes"),
        ({"resources": None}, REQUIRED, "spec.resources[storage]"),
        ({"resources": {"requests": {"storage": "0"}}}, INVALID, "spec.resources.requests[storage]"),
        ({"resources": {"requests": {"storage": "-1Gi"}}}, INVALID, "spec.resources.requests[storage]"),
        ({"resources": {"requests": {"storage": "lots"}}}, INVALID, "spec.resources.requests[storage]"),
        ({"resources": {"requests": {"storage": "1", "cpu": "1"}}}, UNSUPPORTED, "spec.resources.requests[cpu]"),
        ({"storageClassName": "No Class"}, INVALID, "spec.storageClassName"),
        ({"volumeName": "A"}, INVALID, "spec.volumeName"),
        ({"volumeMode": "Tape"}, UNSUPPORTED, "spec.volumeMode"),
        ({"selector": {"matchLabels": {"a b": "c"}}}, INVALID, "spec.selector.matchLabels"),
    ],
)
def test_a_fault_of_a_claim_is_blamed_on_its_field(spec, reason, field):
    assert (reason, field) in faults(changed(CLAIM, **spec), kinds.PERSISTENT_VOLUME_CLAIM)


@pytest.mark.parametrize(
    ("spec", "reason", "field"),
    [
        ({"accessModes": []}, REQUIRED, "spec.accessModes"),
        ({"accessModes": ["Now"]}, UNSUPPORTED, "spec.accessModes[0]"),
        ({"capacity": {}}, REQUIRED, "spec.capacity"),
        ({"capacity": {"storage": "0"}}, INVALID, "spec.capacity[storage]"),
        ({"hostPath": None}, REQUIRED, "spec"),
        ({"local": {"path": "/srv"}}, FORBIDDEN, "spec.local"),
        ({"hostPath": {"path": "srv"}}, INVALID, "spec.hostPath.path"),
        ({"hostPath": {"path": "/srv/../etc"}}, INVALID, "spec.hostPath.path"),
        (
            {"hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Delete"},
            FORBIDDEN,
            "spec.persistentVolumeReclaimPolicy",
        ),
        ({"persistentVolumeReclaimPolicy": "Recycle"}, UNSUPPORTED, "spec.persistentVolumeReclaimPolicy"),
        (LOCAL, REQUIRED, "spec.nodeAffinity"),
        ({**LOCAL, "nodeAffinity": {}}, REQUIRED, "spec.nodeAffinity.required"),
        (
            {**LOCAL, "nodeAffinity": {"required": {"nodeSelectorTerms": []}}},
            REQUIRED,
            "spec.nodeAffinity.required.nodeSelectorTerms",
        ),
        ({"hostPath": None, "csi": {"driver": "", "volumeHandle": "x"}}, REQUIRED, "spec.csi.driver"),
        ({"claimRef": {"name": "data"}}, REQUIRED, "spec.claimRef.namespace"),
    ],
)
def test_a_fault_of_a_volume_is_blamed_on_its_field(spec, reason, field):
    assert (reason, field) in faults(changed(VOLUME, **spec), kinds.PERSISTENT_VOLUME)


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"provisioner": ""}, REQUIRED, "provisioner"),
        ({"provisioner": "a b"}, INVALID, "provisioner"),
        ({"volumeBindingMode": "Immediate"}, INVALID, "volumeBindingMode"),
        ({"volumeBindingMode": "Later"}, UNSUPPORTED, "volumeBindingMode"),
        ({"reclaimPolicy": "Keep"}, UNSUPPORTED, "reclaimPolicy"),
    ],
)
def test_a_fault_of_a_class_is_blamed_on_its_field(fields, reason, field):
    assert (reason, field) in faults({**CLASS, **fields}, kinds.STORAGE_CLASS)


def bound(**spec):
    return {**changed(CLAIM, volumeName="v", **spec), "status": {"phase": "Bound"}}


def storage(amount):
    return {"resources": {"requests": {"storage": amount}}}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (bound(**storage("2Gi")), bound(), []),
        (bound(**storage("1Mi")), bound(), [(FORBIDDEN, "spec.resources.requests.storage")]),
        (changed(CLAIM, **storage("2Gi")), CLAIM, [(FORBIDDEN, "spec.resources.requests.storage")]),
        (changed(CLAIM, volumeName="v"), CLAIM, []),
        (bound(storageClassName="other"), bound(), [(FORBIDDEN, "spec")]),
        (bound(accessModes=["ReadOnlyMany"]), bound(), [(FORBIDDEN, "spec")]),
        (changed(CLAIM, volumeName="w"), bound(), [(FORBIDDEN, "spec")]),
    ],
)
def test_a_claim_may_only_ask_for_more_once_it_is_bound(new, old, expected):
    assert faults(new, kinds.PERSISTENT_VOLUME_CLAIM, old) == expected


def test_the_source_of_a_volume_stays():
    new = changed(VOLUME, hostPath={"path": "/other"})
    assert faults(new, kinds.PERSISTENT_VOLUME, VOLUME) == [(FORBIDDEN, "spec.persistentvolumesource")]


def test_how_a_class_makes_volumes_stays():
    new = {**CLASS, "reclaimPolicy": "Retain"}
    assert faults(new, kinds.STORAGE_CLASS, CLASS) == [(FORBIDDEN, "reclaimPolicy")]


def test_what_nobody_says_is_filled_in():
    claim, volume, made = copy.deepcopy(CLAIM), copy.deepcopy(VOLUME), copy.deepcopy(CLASS)
    validation.default(kinds.PERSISTENT_VOLUME_CLAIM, claim)
    validation.default(kinds.PERSISTENT_VOLUME, volume)
    validation.default(kinds.STORAGE_CLASS, made)
    assert claim["spec"]["volumeMode"] == "Filesystem"
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert (made["reclaimPolicy"], made["volumeBindingMode"]) == ("Delete", "WaitForFirstConsumer")
