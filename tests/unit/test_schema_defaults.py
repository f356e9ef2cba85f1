"""What the API server fills in, and how it tidies what it is given."""

import base64
import copy

import pytest

from schema import kinds, validation


def pod(**spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "registry/app:1"}], **spec},
    }


def defaulted(wire, kind=kinds.POD):
    wire = copy.deepcopy(wire)
    validation.default(kind, wire)
    return wire


def container(**fields):
    return defaulted(pod(containers=[{"name": "c", "image": "registry/app:1", **fields}]))["spec"]["containers"][0]


def test_a_pod_gets_the_documented_defaults():
    assert defaulted(pod())["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "registry/app:1",
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            }
        ],
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "securityContext": {},
        "enableServiceLinks": True,
        "serviceAccountName": "default",
        "serviceAccount": "default",
    }


def test_given_values_stay():
    given = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "serviceAccountName": "robot",
        "schedulerName": "mine",
    }
    spec = defaulted(pod(**given))["spec"]
    assert {name: spec[name] for name in given} == given


def test_defaulting_twice_changes_nothing():
    once = defaulted(pod(hostNetwork=True, volumes=[{"name": "v"}]))
    assert defaulted(once) == once


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("busybox:1.36", "IfNotPresent"),
        ("localhost:5000/busybox", "Always"),
        ("localhost:5000/busybox:1", "IfNotPresent"),
        ("busybox@sha256:" + "a" * 64, "IfNotPresent"),
        ("busybox:latest@sha256:" + "a" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(image, policy):
    assert container(image=image)["imagePullPolicy"] == policy


def test_requests_follow_limits_where_absent():
    resources = container(resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}})["resources"]
    assert resources["requests"] == {"cpu": "100m", "memory": "1Gi"}


def test_numbers_become_quantities_in_their_canonical_spelling():
    resources = container(resources={"limits": {"cpu": 0.5, "memory": "1024Mi"}})["resources"]
    assert resources["limits"] == {"cpu": "500m", "memory": "1Gi"}


def test_host_ports_follow_container_ports_on_the_hosts_network():
    on_host = defaulted(pod(hostNetwork=True, containers=[{"name": "c", "ports": [{"containerPort": 80}]}]))
    assert on_host["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]
    assert container(ports=[{"containerPort": 80}])["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_probes_get_their_times():
    probe = container(livenessProbe={"httpGet": {"port": 80}})["livenessProbe"]
    assert probe == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, {"emptyDir": {}}),
        ({"configMap": {"name": "x"}}, {"configMap": {"name": "x", "defaultMode": 0o644}}),
        ({"secret": {"secretName": "x", "defaultMode": 0}}, {"secret": {"secretName": "x", "defaultMode": 0}}),
        ({"hostPath": {"path": "/"}}, {"hostPath": {"path": "/", "type": ""}}),
    ],
)
def test_volumes_get_theirs(volume, expected):
    assert defaulted(pod(volumes=[{"name": "v", **volume}]))["spec"]["volumes"] == [{"name": "v", **expected}]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_quality_of_service_follows_from_the_resources(resources, expected):
    wire = defaulted(pod(containers=[{"name": "c", "image": "i", "resources": resources}]))
    assert wire["status"] == {"phase": "Pending", "qosClass": expected}


def test_nulls_are_absent_and_unknown_fields_are_dropped():
    wire = pod(nodeSelector=None, imagined=1)
    wire["metadata"] |= {"creationTimestamp": None, "labels": {"a": None}}
    cleaned = defaulted(wire)
    assert "creationTimestamp" not in cleaned["metadata"]
    assert cleaned["metadata"]["labels"] == {"a": ""}
    assert not {"nodeSelector", "imagined"} & set(cleaned["spec"])


def test_string_data_of_a_secret_is_folded_into_data():
    wire = {"metadata": {"name": "s"}, "data": {"a": "QQ==", "b": "Qg=="}, "stringData": {"b": "ü", "c": ""}}
    cleaned = defaulted(wire, kinds.SECRET)
    assert cleaned["type"] == "Opaque"
    assert cleaned["data"] == {"a": "QQ==", "b": base64.b64encode("ü".encode()).decode(), "c": ""}
    assert "stringData" not in cleaned


def test_a_namespace_is_active_held_by_its_objects_and_findable_by_name():
    cleaned = defaulted({"metadata": {"name": "n"}}, kinds.NAMESPACE)
    assert cleaned == {
        "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


@pytest.mark.parametrize("rubbish", [None, 5, "x", [], [1], {"a": 1}, True])
@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_wrong_types_anywhere_are_left_for_validation(kind, rubbish):
    for name in ("metadata", "spec", "status", "data", "stringData", "binaryData", "involvedObject", "secrets"):
        wire = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "x"}, name: rubbish}
        validation.default(kind, wire)
        validation.unsupported(kind, wire)
        validation.unknown_fields(kind, wire)
        assert isinstance(validation.validate(kind, wire), list)


@pytest.mark.parametrize("rubbish", [None, 5, "x", [1], [None], {"a": 1}, True, 1.5])
def test_wrong_types_inside_a_pod_are_reported_not_raised(rubbish):
    whole = defaulted(
        pod(
            volumes=[{"name": "v", "configMap": {"name": "x", "items": [{"key": "a", "path": "b"}]}}],
            tolerations=[{"key": "a", "operator": "Exists"}],
            affinity={"nodeAffinity": {}},
            nodeSelector={"a": "b"},
        )
    )
    whole["spec"]["containers"][0] |= {
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"containerPort": 1}],
        "livenessProbe": {"exec": {"command": ["x"]}},
        "resources": {"limits": {"cpu": "1"}},
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    for place in places(whole["spec"]):
        broken = copy.deepcopy(whole)
        target = broken["spec"]
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = rubbish
        validation.unknown_fields(kinds.POD, broken)
        validation.default(kinds.POD, broken)
        validation.validate(kinds.POD, broken)
        validation.unsupported(kinds.POD, broken)


def places(value, path=()):
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, child in steps:
        yield (*path, step)
        yield from places(child, (*path, step))


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, ["Ingress"]),
        ({"ingress": [{}]}, ["Ingress"]),
        ({"egress": [{}]}, ["Ingress", "Egress"]),
        ({"egress": []}, ["Ingress"]),
        ({"policyTypes": ["Egress"]}, ["Egress"]),
    ],
)
def test_a_policy_is_about_the_directions_that_it_has_rules_for(spec, types):
    wire = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"podSelector": {}, **spec}}
    assert defaulted(wire, kinds.NETWORK_POLICY)["spec"]["policyTypes"] == types


def test_a_policys_ports_are_tcp_unless_they_say_otherwise():
    wire = {"metadata": {"name": "p"}, "spec": {"ingress": [{"ports": [{"port": 1}, {"protocol": "UDP"}]}]}}
    ports = defaulted(wire, kinds.NETWORK_POLICY)["spec"]["ingress"][0]["ports"]
    assert [port["protocol"] for port in ports] == ["TCP", "UDP"]
