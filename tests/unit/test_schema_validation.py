"""Validation of pods: which field is blamed, and why."""

# ruff: noqa: E501 - tables read better in lines

import copy
from typing import Any

import pytest

from schema import kinds, validation
from schema.base import Wire

POD: Wire = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "web",
                "image": "registry/web:1",
                "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
                "env": [{"name": "A", "value": "1"}],
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "64Mi"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            {"name": "side", "image": "registry/side:1"},
        ],
    },
}
REQUIRED, INVALID, UNSUPPORTED = "FieldValueRequired", "FieldValueInvalid", "FieldValueNotSupported"
DUPLICATE, FORBIDDEN, TYPE = "FieldValueDuplicate", "FieldValueForbidden", "FieldValueTypeInvalid"
NOT_FOUND = "FieldValueNotFound"
MISSING = object()


def changed(path, value):
    """The pod with one field set, or removed; ``path`` has its steps between slashes, list positions are numbers."""
    wire = copy.deepcopy(POD)
    *parents, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target: Any = wire
    for step in parents:
        target = target.setdefault(step, {}) if isinstance(target, dict) else target[step]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value
    return wire


def faults(wire, kind=kinds.POD, old=None, subresource=""):
    wire = copy.deepcopy(wire)
    validation.default(kind, wire)
    if old is not None:
        old = copy.deepcopy(old)
        validation.default(kind, old)
    return [(cause.reason, cause.field) for cause in validation.validate(kind, wire, old, subresource)]


def test_a_sound_pod_has_no_faults():
    assert faults(POD) == []
    bandwidth = {"kubernetes.io/ingress-bandwidth": "1k", "kubernetes.io/egress-bandwidth": "1P"}
    assert faults(changed("metadata/annotations", bandwidth)) == []


WEB, C0 = "spec/containers/0", "spec.containers[0]"


@pytest.mark.parametrize(
    ("path", "value", "reason", "field"),
    [
        # names and metadata
        ("metadata/name", "A_b", INVALID, "metadata.name"),
        ("metadata/name", "a" * 254, INVALID, "metadata.name"),
        ("metadata/name", MISSING, REQUIRED, "metadata.name"),
        ("metadata/generateName", "A-", INVALID, "metadata.generateName"),
        ("metadata/namespace", "a.b", INVALID, "metadata.namespace"),
        ("metadata/labels", {"a b": "x"}, INVALID, "metadata.labels"),
        ("metadata/labels", {"a": "x y"}, INVALID, "metadata.labels"),
        ("metadata/labels", {"a": "x" * 64}, INVALID, "metadata.labels"),
        ("metadata/labels", {"/a": "x"}, INVALID, "metadata.labels"),
        ("metadata/labels", {"a": 1}, TYPE, "metadata.labels[a]"),
        ("metadata/annotations", {"a/b/c": "x"}, INVALID, "metadata.annotations"),
        ("metadata/annotations", {"a": "x" * 300_000}, "FieldValueTooLong", "metadata.annotations"),
        ("metadata/annotations", {"kubernetes.io/ingress-bandwidth": "fast"}, INVALID, "metadata.annotations[kubernetes.io/ingress-bandwidth]"),
        ("metadata/annotations", {"kubernetes.io/egress-bandwidth": "999"}, INVALID, "metadata.annotations[kubernetes.io/egress-bandwidth]"),
        ("metadata/annotations", {"kubernetes.io/egress-bandwidth": "-1M"}, INVALID, "metadata.annotations[kubernetes.io/egress-bandwidth]"),
        ("metadata/annotations", {"kubernetes.io/egress-bandwidth": "1001T"}, INVALID, "metadata.annotations[kubernetes.io/egress-bandwidth]"),
        ("metadata/annotations", {"kubernetes.io/egress-bandwidth": ""}, INVALID, "metadata.annotations[kubernetes.io/egress-bandwidth]"),
        ("metadata/finalizers", ["nobody"], INVALID, "metadata.finalizers[0]"),
        ("metadata/ownerReferences", [{"kind": "A", "name": "a", "uid": "1"}], REQUIRED, "metadata.ownerReferences[0].apiVersion"),
        ("metadata/creationTimestamp", "yesterday", INVALID, "metadata.creationTimestamp"),
        # containers
        ("spec/containers", [], REQUIRED, "spec.containers"),
        ("spec/containers", MISSING, REQUIRED, "spec.containers"),
        ("spec/containers", "web", TYPE, "spec.containers"),
        ("spec/containers", ["web"], TYPE, C0),
        ("spec", MISSING, REQUIRED, "spec"),
        (f"{WEB}/name", MISSING, REQUIRED, f"{C0}.name"),
        (f"{WEB}/name", "", REQUIRED, f"{C0}.name"),
        (f"{WEB}/name", "a.b", INVALID, f"{C0}.name"),
        (f"{WEB}/name", "side", DUPLICATE, "spec.containers[1].name"),
        (f"{WEB}/image", MISSING, REQUIRED, f"{C0}.image"),
        (f"{WEB}/image", 5, TYPE, f"{C0}.image"),
        (f"{WEB}/image", " web", INVALID, f"{C0}.image"),
        (f"{WEB}/command", "sh", TYPE, f"{C0}.command"),
        (f"{WEB}/command", [1], TYPE, f"{C0}.command[0]"),
        (f"{WEB}/tty", "yes", TYPE, f"{C0}.tty"),
        (f"{WEB}/imagePullPolicy", "Sometimes", UNSUPPORTED, f"{C0}.imagePullPolicy"),
        ("spec/initContainers", [{"name": "web", "image": "i"}], DUPLICATE, "spec.initContainers[0].name"),
        ("spec/initContainers", [{"name": "i", "image": "i", "restartPolicy": "Never"}], UNSUPPORTED, "spec.initContainers[0].restartPolicy"),
        ("spec/initContainers", [{"name": "i", "image": "i", "livenessProbe": {"exec": {"command": ["x"]}}}], FORBIDDEN, "spec.initContainers[0].livenessProbe"),
        (f"{WEB}/restartPolicy", "Always", FORBIDDEN, f"{C0}.restartPolicy"),
        # ports
        (f"{WEB}/ports/0/containerPort", 0, INVALID, f"{C0}.ports[0].containerPort"),
        (f"{WEB}/ports/0/containerPort", 65536, INVALID, f"{C0}.ports[0].containerPort"),
        (f"{WEB}/ports/0/containerPort", MISSING, REQUIRED, f"{C0}.ports[0].containerPort"),
        (f"{WEB}/ports/0/containerPort", "80", TYPE, f"{C0}.ports[0].containerPort"),
        (f"{WEB}/ports/0/hostPort", -1, INVALID, f"{C0}.ports[0].hostPort"),
        (f"{WEB}/ports/0/protocol", "tcp", UNSUPPORTED, f"{C0}.ports[0].protocol"),
        (f"{WEB}/ports/0/hostIP", "localhost", INVALID, f"{C0}.ports[0].hostIP"),
        (f"{WEB}/ports/0/name", "http_port", INVALID, f"{C0}.ports[0].name"),
        (f"{WEB}/ports", [{"containerPort": 80}, {"containerPort": 80}], DUPLICATE, f"{C0}.ports[1]"),
        (f"{WEB}/ports", [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}], DUPLICATE, f"{C0}.ports[1].name"),
        ("spec/containers/1/ports", [{"containerPort": 1, "hostPort": 8080}], DUPLICATE, "spec.containers[1].ports[0].hostPort"),
        # environment
        (f"{WEB}/env/0/name", "", REQUIRED, f"{C0}.env[0].name"),
        (f"{WEB}/env/0/name", "A=B", INVALID, f"{C0}.env[0].name"),
        (f"{WEB}/env/0/value", 1, TYPE, f"{C0}.env[0].value"),
        (f"{WEB}/env/0/valueFrom", {"fieldRef": {"fieldPath": "metadata.name"}}, INVALID, f"{C0}.env[0].valueFrom"),
        (f"{WEB}/env/0", {"name": "A", "valueFrom": {}}, INVALID, f"{C0}.env[0].valueFrom"),
        (f"{WEB}/env/0", {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}, UNSUPPORTED, f"{C0}.env[0].valueFrom.fieldRef.fieldPath"),
        (f"{WEB}/env/0", {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a/b"}}}, INVALID, f"{C0}.env[0].valueFrom.secretKeyRef.key"),
        (f"{WEB}/envFrom", [{}], INVALID, f"{C0}.envFrom[0]"),
        (f"{WEB}/envFrom", [{"configMapRef": {}}], REQUIRED, f"{C0}.envFrom[0].configMapRef.name"),
        # resources
        (f"{WEB}/resources/limits/memory", "12XB", INVALID, f"{C0}.resources.limits[memory]"),
        (f"{WEB}/resources/limits/memory", [], TYPE, f"{C0}.resources.limits[memory]"),
        (f"{WEB}/resources/limits/memory", "-1", INVALID, f"{C0}.resources.limits[memory]"),
        (f"{WEB}/resources/limits/rubbish", "1", INVALID, f"{C0}.resources.limits[rubbish]"),
        (f"{WEB}/resources/requests/cpu", "2", INVALID, f"{C0}.resources.requests[cpu]"),
        (f"{WEB}/resources/requests", {"example.com/gpu": "1"}, REQUIRED, f"{C0}.resources.limits[example.com/gpu]"),
        # volumes
        (f"{WEB}/volumeMounts/0/name", "nothing", "FieldValueNotFound", f"{C0}.volumeMounts[0].name"),
        (f"{WEB}/volumeMounts/0/mountPath", "", REQUIRED, f"{C0}.volumeMounts[0].mountPath"),
        (f"{WEB}/volumeMounts/0/mountPath", "/a:b", INVALID, f"{C0}.volumeMounts[0].mountPath"),
        (f"{WEB}/volumeMounts/0/subPath", "../x", INVALID, f"{C0}.volumeMounts[0].subPath"),
        (f"{WEB}/volumeMounts/0/subPath", "/x", INVALID, f"{C0}.volumeMounts[0].subPath"),
        (f"{WEB}/volumeMounts", [{"name": "data", "mountPath": "/d"}] * 2, INVALID, f"{C0}.volumeMounts[1].mountPath"),
        ("spec/volumes/0/hostPath", {"path": "/"}, FORBIDDEN, "spec.volumes[0].hostPath"),
        ("spec/volumes/0", {"name": "data", "hostPath": {"path": "/a/../b"}}, INVALID, "spec.volumes[0].hostPath.path"),
        ("spec/volumes/0", {"name": "data", "hostPath": {"path": "/", "type": "Dir"}}, UNSUPPORTED, "spec.volumes[0].hostPath.type"),
        ("spec/volumes/0", {"name": "data", "secret": {}}, REQUIRED, "spec.volumes[0].secret.secretName"),
        ("spec/volumes/0", {"name": "data", "configMap": {"name": "c", "items": [{"key": "a", "path": "../a"}]}}, INVALID, "spec.volumes[0].configMap.items[0].path"),
        ("spec/volumes/0", {"name": "data", "configMap": {"name": "c", "defaultMode": 0o1000}}, INVALID, "spec.volumes[0].configMap.defaultMode"),
        ("spec/volumes", [{"name": "data"}, {"name": "data"}], DUPLICATE, "spec.volumes[1].name"),
        # the pod
        ("spec/restartPolicy", "Sometimes", UNSUPPORTED, "spec.restartPolicy"),
        ("spec/terminationGracePeriodSeconds", -1, INVALID, "spec.terminationGracePeriodSeconds"),
        ("spec/terminationGracePeriodSeconds", "30", TYPE, "spec.terminationGracePeriodSeconds"),
        ("spec/activeDeadlineSeconds", 0, INVALID, "spec.activeDeadlineSeconds"),
        ("spec/nodeName", "A b", INVALID, "spec.nodeName"),
        ("spec/nodeSelector", {"a b": "c"}, INVALID, "spec.nodeSelector"),
        ("spec/hostname", "a.b", INVALID, "spec.hostname"),
        ("spec/dnsPolicy", "None", REQUIRED, "spec.dnsConfig.nameservers"),
        ("spec/hostAliases", [{"ip": "x"}], INVALID, "spec.hostAliases[0].ip"),
        ("spec/imagePullSecrets", [{}], REQUIRED, "spec.imagePullSecrets[0].name"),
        ("spec/securityContext", {"runAsUser": -1}, INVALID, "spec.securityContext.runAsUser"),
        ("spec/securityContext", {"seccompProfile": {"type": "Localhost"}}, REQUIRED, "spec.securityContext.seccompProfile.localhostProfile"),
        (f"{WEB}/securityContext", {"privileged": True, "allowPrivilegeEscalation": False}, INVALID, f"{C0}.securityContext"),
        (f"{WEB}/livenessProbe", {}, REQUIRED, f"{C0}.livenessProbe"),
        (f"{WEB}/livenessProbe", {"httpGet": {"port": 0}}, INVALID, f"{C0}.livenessProbe.httpGet.port"),
        (f"{WEB}/livenessProbe", {"httpGet": {"port": []}}, TYPE, f"{C0}.livenessProbe.httpGet.port"),
        # placement
        ("spec/tolerations", [{"operator": "Equal"}], INVALID, "spec.tolerations[0].operator"),
        ("spec/tolerations", [{"key": "a", "operator": "Near"}], UNSUPPORTED, "spec.tolerations[0].operator"),
        ("spec/tolerations", [{"key": "a", "operator": "Exists", "value": "b"}], INVALID, "spec.tolerations[0].operator"),
        ("spec/tolerations", [{"key": "a", "tolerationSeconds": 1, "effect": "NoSchedule"}], INVALID, "spec.tolerations[0].effect"),
    ],
)  # fmt: skip
def test_a_fault_is_blamed_on_its_field(path, value, reason, field):
    wire = changed(path, value)
    assert (reason, field) in faults(wire)
    assert len(faults(wire)) <= 2


NODE_AFFINITY = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


@pytest.mark.parametrize(
    ("terms", "reason", "field"),
    [
        ([], REQUIRED, ""),
        ([{"matchExpressions": [{"key": "a", "operator": "In"}]}], REQUIRED, "[0].matchExpressions[0].values"),
        ([{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}], FORBIDDEN, "[0].matchExpressions[0].values"),
        ([{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["x"]}]}], INVALID, "[0].matchExpressions[0].values[0]"),
        ([{"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1", "2"]}]}], REQUIRED, "[0].matchExpressions[0].values"),
        ([{"matchExpressions": [{"key": "a b", "operator": "Exists"}]}], INVALID, "[0].matchExpressions[0].key"),
        ([{"matchExpressions": [{"key": "a", "operator": "Like"}]}], UNSUPPORTED, "[0].matchExpressions[0].operator"),
        ([{"matchFields": [{"key": "metadata.uid", "operator": "In", "values": ["x"]}]}], INVALID, "[0].matchFields[0].key"),
    ],
)  # fmt: skip
def test_node_affinity_is_checked(terms, reason, field):
    rule = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    assert faults(changed("spec/affinity", rule)) == [(reason, NODE_AFFINITY + field)]


def test_several_faults_come_together_also_beside_missing_fields():
    wire = changed(f"{WEB}/name", MISSING)
    wire["metadata"]["name"] = "A"
    wire["spec"]["restartPolicy"] = "Sometimes"
    assert set(faults(wire)) == {
        (REQUIRED, f"{C0}.name"),
        (INVALID, "metadata.name"),
        (UNSUPPORTED, "spec.restartPolicy"),
    }


def test_messages_are_those_that_users_know():
    wire = changed("spec/restartPolicy", "Sometimes")
    validation.default(kinds.POD, wire)
    [cause] = validation.validate(kinds.POD, wire)
    assert cause.message == 'Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"'


def test_a_huge_faulty_value_is_not_repeated_in_full():
    wire = changed("metadata/name", "A" * 100_000)
    [cause] = validation.validate(kinds.POD, wire)
    assert len(cause.message) < 500


def test_the_same_host_port_on_other_addresses_and_protocols_is_no_conflict():
    ports = [
        {"containerPort": 80, "hostPort": 9000, "hostIP": "127.0.0.1"},
        {"containerPort": 81, "hostPort": 9000, "hostIP": "127.0.0.2"},
        {"containerPort": 80, "hostPort": 9000, "protocol": "UDP"},
    ]
    assert faults(changed(f"{WEB}/ports", ports)) == []
    conflict = [*ports, {"containerPort": 82, "hostPort": 9000}]
    assert faults(changed(f"{WEB}/ports", conflict)) == [(DUPLICATE, f"{C0}.ports[3].hostPort")]


# -- what may change


def updated(change, old=POD):
    new = copy.deepcopy(old)
    change(new["spec"])
    return faults(new, old=old)


DEBUGGER = {"name": "debugger", "image": "busybox:1", "targetContainerName": "web", "stdin": True}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [DEBUGGER], []),
        ([DEBUGGER], [DEBUGGER, DEBUGGER | {"name": "another"}], []),
        ([DEBUGGER], [], [(FORBIDDEN, "spec.ephemeralContainers")]),
        ([DEBUGGER], [DEBUGGER | {"image": "busybox:2"}], [(FORBIDDEN, "spec.ephemeralContainers")]),
        ([], [DEBUGGER | {"name": "web"}], [(DUPLICATE, "spec.ephemeralContainers[0].name")]),
        (
            [],
            [DEBUGGER | {"targetContainerName": "x"}],
            [(NOT_FOUND, "spec.ephemeralContainers[0].targetContainerName")],
        ),
        ([], [DEBUGGER | {"ports": [{"containerPort": 1}]}], [(FORBIDDEN, "spec.ephemeralContainers[0].ports")]),
        (
            [],
            [DEBUGGER | {"resources": {"limits": {"cpu": "1"}}}],
            [(FORBIDDEN, "spec.ephemeralContainers[0].resources")],
        ),
        (
            [],
            [DEBUGGER | {"volumeMounts": [{"name": "data", "mountPath": "/d", "subPath": "a"}]}],
            [(FORBIDDEN, "spec.ephemeralContainers[0].volumeMounts[0].subPath")],
        ),
    ],
)
def test_containers_for_debugging_are_only_ever_added(before, after, expected):
    old, new = changed("spec/ephemeralContainers", before), changed("spec/ephemeralContainers", after)
    assert faults(new, old=old, subresource="ephemeralcontainers") == expected


def test_containers_for_debugging_come_by_their_subresource_only():
    with_one = changed("spec/ephemeralContainers", [DEBUGGER])
    assert faults(with_one) == [(FORBIDDEN, "spec.ephemeralContainers")]
    assert faults(with_one, old=POD) == [(FORBIDDEN, "spec")]


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["containers"][0].update(image="registry/web:2"),
        lambda spec: spec.update(activeDeadlineSeconds=5),
        lambda spec: spec.update(tolerations=[{"key": "a", "operator": "Exists"}]),
        lambda spec: None,
    ],
)
def test_a_pod_may_change_in_this(change):
    assert updated(change) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda spec: spec["containers"][0].update(command=["x"]), "spec"),
        (lambda spec: spec["containers"][0]["resources"]["limits"].update(cpu="2"), "spec"),
        (lambda spec: spec["containers"].pop(), "spec.containers"),
        (lambda spec: spec.update(nodeName="n"), "spec.nodeName"),
        (lambda spec: spec.update(restartPolicy="Never"), "spec"),
        (lambda spec: spec.update(terminationGracePeriodSeconds=5), "spec"),
        (lambda spec: spec.update(schedulingGates=[{"name": "g"}]), "spec.schedulingGates"),
        (lambda spec: spec.update(volumes=[{"name": "data", "hostPath": {"path": "/"}}]), "spec"),
    ],
)
def test_a_pod_may_not_change_in_that(change, field):
    assert updated(change) == [(FORBIDDEN, field)]


def test_the_refusal_says_what_differs():
    new = changed("spec/containers/0/command", ["x"])
    old = copy.deepcopy(POD)
    for wire in (new, old):
        validation.default(kinds.POD, wire)
    [cause] = validation.validate(kinds.POD, new, old)
    assert "spec.containers[0].command" in cause.message


def test_gates_may_go_and_a_gated_pod_may_be_placed_anew():
    gated = changed("spec/schedulingGates", [{"name": "a"}, {"name": "b"}])
    assert updated(lambda spec: spec["schedulingGates"].pop(), gated) == []
    assert updated(lambda spec: spec.update(nodeSelector={"a": "b"}), gated) == []
    assert updated(lambda spec: spec.update(nodeSelector={"a": "b"})) == [(FORBIDDEN, "spec")]


def test_tolerations_may_be_added_but_not_taken_away():
    old = changed(
        "spec/tolerations", [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 9}]
    )
    longer = [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}]
    assert updated(lambda spec: spec.update(tolerations=longer), old) == []
    assert updated(lambda spec: spec.update(tolerations=[]), old) == [(FORBIDDEN, "spec.tolerations")]


@pytest.mark.parametrize("name", ["name", "namespace", "uid", "creationTimestamp"])
def test_identity_cannot_change(name):
    old = copy.deepcopy(POD)
    old["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    new = copy.deepcopy(old)
    new["metadata"][name] = "2027-01-01T00:00:00Z" if name == "creationTimestamp" else "other"
    assert faults(new, old=old) == [(INVALID, f"metadata.{name}")]


def test_an_object_on_its_way_out_takes_no_new_finalizers():
    old = copy.deepcopy(POD)
    old["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a.b/c", "a.b/d"]}
    new = copy.deepcopy(old)
    new["metadata"]["finalizers"] = ["a.b/c"]
    assert faults(new, old=old) == []
    new["metadata"]["finalizers"] = ["a.b/c", "a.b/e"]
    assert faults(new, old=old) == [(FORBIDDEN, "metadata.finalizers")]


def test_a_status_write_is_held_to_the_structure_only():
    new = copy.deepcopy(POD)
    new["spec"]["containers"][0]["command"] = ["changed"]
    new["status"] = {"phase": "Running"}
    assert faults(new, old=POD, subresource="status") == []
    new["status"] = {"phase": "Walking", "containerStatuses": [{}]}
    found = faults(new, old=POD, subresource="status")
    assert (UNSUPPORTED, "status.phase") in found
    assert (REQUIRED, "status.containerStatuses[0].name") in found
