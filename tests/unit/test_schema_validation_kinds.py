"""Validation of the kinds beside pods, and of what writers are told about their fields."""

import base64
import copy
import json

import pytest

from schema import kinds, validation
from schema.base import NotYet
from tests.unit.schema_objects import BARE, wire
from tests.unit.test_schema_validation import DUPLICATE, FORBIDDEN, INVALID, POD, REQUIRED, TYPE, UNSUPPORTED, faults

NEEDY = {
    kinds.EVENT,
    kinds.SERVICE,
    kinds.ENDPOINT_SLICE,
    kinds.PERSISTENT_VOLUME,
    kinds.PERSISTENT_VOLUME_CLAIM,
    kinds.STORAGE_CLASS,
    kinds.CONTROLLER_REVISION,
    kinds.INGRESS,
    kinds.INGRESS_CLASS,
}
"""Kinds that must say something beside a spec."""


def needs_content(kind):
    return kind in NEEDY or ("spec" in kind.model.model_fields and kind.model.model_fields["spec"].is_required())


@pytest.mark.parametrize("kind", [kind for kind in kinds.ALL if not needs_content(kind)], ids=str)
def test_a_bare_object_is_sound(kind):
    assert faults(wire(kind), kind) == []


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_a_namespace_is_given_where_the_kind_has_one_and_only_there(kind):
    content = {"spec": BARE[kind]} if kind in BARE else {"involvedObject": {"namespace": "default"}}
    bare = copy.deepcopy(POD) if kind is kinds.POD else wire(kind, **content)
    if kind.namespaced:
        del bare["metadata"]["namespace"]
        assert (REQUIRED, "metadata.namespace") in faults(bare, kind)
    else:
        bare["metadata"]["namespace"] = "default"
        assert (FORBIDDEN, "metadata.namespace") in faults(bare, kind)


def base64_of(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("kind", "fields", "reason", "field"),
    [
        (kinds.CONFIG_MAP, {"data": {"a/b": "x"}}, INVALID, "data[a/b]"),
        (kinds.CONFIG_MAP, {"data": {"..": "x"}}, INVALID, "data[..]"),
        (kinds.CONFIG_MAP, {"data": {"a": 1}}, TYPE, "data[a]"),
        (kinds.CONFIG_MAP, {"data": []}, TYPE, "data"),
        (kinds.CONFIG_MAP, {"data": {"a": "x"}, "binaryData": {"a": "eA=="}}, INVALID, "data[a]"),
        (kinds.CONFIG_MAP, {"binaryData": {"a": "no base64!"}}, INVALID, "binaryData[a]"),
        (kinds.CONFIG_MAP, {"data": {"a": "x" * (1024 * 1024 + 1)}}, "FieldValueTooLong", ""),
        (kinds.CONFIG_MAP, {"immutable": "yes"}, TYPE, "immutable"),
        (
            kinds.NETWORK_POLICY,
            {"spec": {"podSelector": {"matchLabels": {"a/b/c": "x"}}}},
            INVALID,
            "spec.podSelector.matchLabels",
        ),
        *(
            (
                kinds.NETWORK_POLICY,
                {"spec": {direction: [{peers: [peer]}]}},
                reason,
                f"spec.{direction}[0].{peers}[0]{field}",
            )
            for direction, peers in (("ingress", "from"), ("egress", "to"))
            for peer, reason, field in (
                ({}, REQUIRED, ""),
                ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, FORBIDDEN, ""),
                ({"ipBlock": {}}, REQUIRED, ".ipBlock.cidr"),
                ({"ipBlock": {"cidr": "10.0.0.0"}}, INVALID, ".ipBlock.cidr"),
                ({"ipBlock": {"cidr": "10.0.0.0/33"}}, INVALID, ".ipBlock.cidr"),
                ({"ipBlock": {"cidr": "fd00::/129"}}, INVALID, ".ipBlock.cidr"),
                ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}, INVALID, ".ipBlock.except[0]"),
                (
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.0.0.0/8"]}},
                    INVALID,
                    ".ipBlock.except[1]",
                ),
                ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/64"]}}, INVALID, ".ipBlock.except[0]"),
                ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}, INVALID, ".ipBlock.except[0]"),
                (
                    {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
                    REQUIRED,
                    ".namespaceSelector.matchExpressions[0].values",
                ),
                (
                    {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
                    FORBIDDEN,
                    ".podSelector.matchExpressions[0].values",
                ),
            )
        ),
        *(
            (
                kinds.NETWORK_POLICY,
                {"spec": {"egress": [{"ports": [port]}]}},
                reason,
                f"spec.egress[0].ports[0].{field}",
            )
            for port, reason, field in (
                ({"port": 0}, INVALID, "port"),
                ({"port": 65536}, INVALID, "port"),
                ({"port": "Not A Name"}, INVALID, "port"),
                ({"port": "far-too-long-a-name"}, INVALID, "port"),
                ({"port": 80, "endPort": 79}, INVALID, "endPort"),
                ({"port": 80, "endPort": 65536}, INVALID, "endPort"),
                ({"port": "http", "endPort": 90}, INVALID, "endPort"),
                ({"endPort": 90}, INVALID, "endPort"),
                ({"port": 80, "protocol": "ICMP"}, UNSUPPORTED, "protocol"),
            )
        ),
        (kinds.NETWORK_POLICY, {"spec": {"policyTypes": ["Inwards"]}}, UNSUPPORTED, "spec.policyTypes[0]"),
        (kinds.NETWORK_POLICY, {"spec": {"policyTypes": ["Ingress"] * 3}}, INVALID, "spec.policyTypes"),
        (
            kinds.NAMESPACE,
            {"metadata": {"name": "x", "labels": {"slipway.dev/isolation": "yes"}}},
            UNSUPPORTED,
            "metadata.labels[slipway.dev/isolation]",
        ),
        (kinds.SECRET, {"data": {"a": "plain text"}}, INVALID, "data[a]"),
        (kinds.SECRET, {"data": {"a": "eA="}}, INVALID, "data[a]"),
        (kinds.SECRET, {"stringData": {"a": 1}}, TYPE, "stringData[a]"),
        (kinds.SECRET, {"data": {"a": base64_of(b"x" * (1024 * 1024 + 1))}}, "FieldValueTooLong", "data"),
        (kinds.SECRET, {"type": "kubernetes.io/tls"}, REQUIRED, "data[tls.crt]"),
        (kinds.SECRET, {"type": "kubernetes.io/dockerconfigjson"}, REQUIRED, "data[.dockerconfigjson]"),
        (
            kinds.SECRET,
            {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}},
            INVALID,
            "data[.dockerconfigjson]",
        ),
        (kinds.SECRET, {"type": "kubernetes.io/basic-auth"}, REQUIRED, "data[username]"),
        (kinds.NAMESPACE, {"spec": {"finalizers": ["mine"]}}, INVALID, "spec.finalizers[0]"),
        (kinds.NODE, {"spec": {"taints": [{"key": "a"}]}}, REQUIRED, "spec.taints[0].effect"),
        (kinds.NODE, {"spec": {"taints": [{"key": "a", "effect": "Never"}]}}, UNSUPPORTED, "spec.taints[0].effect"),
        (kinds.NODE, {"spec": {"taints": [{"key": "a b", "effect": "NoExecute"}]}}, INVALID, "spec.taints[0].key"),
        (kinds.NODE, {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}] * 2}}, DUPLICATE, "spec.taints[1]"),
        (kinds.NODE, {"spec": {"podCIDR": "10.1.2.3/24"}}, INVALID, "spec.podCIDR"),
        (kinds.NODE, {"status": {"capacity": {"cpu": "many"}}}, INVALID, "status.capacity[cpu]"),
        (kinds.EVENT, {"involvedObject": {"namespace": "other"}}, INVALID, "involvedObject.namespace"),
        (kinds.PRIORITY_CLASS, {"value": 1_000_000_001}, FORBIDDEN, "value"),
        (kinds.PRIORITY_CLASS, {"value": "high"}, TYPE, "value"),
        (kinds.PRIORITY_CLASS, {"metadata": {"name": "system-mine"}}, FORBIDDEN, "metadata.name"),
        (kinds.PRIORITY_CLASS, {"preemptionPolicy": "Maybe"}, UNSUPPORTED, "preemptionPolicy"),
        (kinds.RESOURCE_QUOTA, {"spec": {"hard": {"pods": "many"}}}, INVALID, "spec.hard[pods]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"hard": {"pods": "-1"}}}, INVALID, "spec.hard[pods]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"hard": {"pods": "500m"}}}, INVALID, "spec.hard[pods]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"hard": {"podz": "1"}}}, INVALID, "spec.hard[podz]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"hard": {"count/A B": "1"}}}, INVALID, "spec.hard[count/A B]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"scopes": ["Mine"]}}, UNSUPPORTED, "spec.scopes[0]"),
        (kinds.RESOURCE_QUOTA, {"spec": {"scopes": ["Terminating", "NotTerminating"]}}, INVALID, "spec.scopes"),
        (
            kinds.RESOURCE_QUOTA,
            {"spec": {"hard": {"secrets": "1"}, "scopes": ["Terminating"]}},
            INVALID,
            "spec.scopes",
        ),
        (
            kinds.RESOURCE_QUOTA,
            {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}},
            REQUIRED,
            "spec.scopeSelector.matchExpressions[0].values",
        ),
        (
            kinds.RESOURCE_QUOTA,
            {
                "spec": {
                    "scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "DoesNotExist"}]}
                }
            },
            INVALID,
            "spec.scopeSelector.matchExpressions[0].operator",
        ),
        (kinds.POD_DISRUPTION_BUDGET, {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, INVALID, "spec"),
        (kinds.POD_DISRUPTION_BUDGET, {"spec": {"minAvailable": -1}}, INVALID, "spec.minAvailable"),
        (kinds.POD_DISRUPTION_BUDGET, {"spec": {"maxUnavailable": "half"}}, INVALID, "spec.maxUnavailable"),
        (kinds.POD_DISRUPTION_BUDGET, {"spec": {"maxUnavailable": "101%"}}, INVALID, "spec.maxUnavailable"),
        (
            kinds.POD_DISRUPTION_BUDGET,
            {"spec": {"unhealthyPodEvictionPolicy": "Maybe"}},
            UNSUPPORTED,
            "spec.unhealthyPodEvictionPolicy",
        ),
        (
            kinds.POD_DISRUPTION_BUDGET,
            {"spec": {"selector": {"matchLabels": {"a b": "c"}}}},
            INVALID,
            "spec.selector.matchLabels",
        ),
        (kinds.LIMIT_RANGE, {"spec": {"limits": [{"type": "Node"}]}}, UNSUPPORTED, "spec.limits[0].type"),
        (
            kinds.LIMIT_RANGE,
            {"spec": {"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}},
            INVALID,
            "spec.limits[0].min[cpu]",
        ),
        (
            kinds.LIMIT_RANGE,
            {"spec": {"limits": [{"type": "Pod", "default": {"cpu": "2"}}]}},
            FORBIDDEN,
            "spec.limits[0].default",
        ),
        (
            kinds.LIMIT_RANGE,
            {"spec": {"limits": [{"type": "PersistentVolumeClaim"}]}},
            REQUIRED,
            "spec.limits[0].limits",
        ),
        (
            kinds.EVENT,
            {
                "eventTime": "2026-01-01T00:00:00.000000Z",
                "reason": "A",
                "action": "B",
                "reportingInstance": "c",
                "type": "Normal",
            },
            REQUIRED,
            "reportingComponent",
        ),
        (kinds.SERVICE_ACCOUNT, {"imagePullSecrets": [{}]}, REQUIRED, "imagePullSecrets[0].name"),
        (kinds.LEASE, {"spec": {"holderIdentity": ""}}, INVALID, "spec.holderIdentity"),
        (kinds.LEASE, {"spec": {"leaseDurationSeconds": 0}}, INVALID, "spec.leaseDurationSeconds"),
        (kinds.LEASE, {"spec": {"renewTime": "now"}}, INVALID, "spec.renewTime"),
        (kinds.LEASE, {"spec": {"leaseTransitions": -1}}, INVALID, "spec.leaseTransitions"),
    ],
)
def test_a_fault_is_blamed_on_its_field(kind, fields, reason, field):
    assert (reason, field) in faults(wire(kind, **fields), kind)


def test_a_namespace_is_a_dns_label():
    assert faults({"metadata": {"name": "a.b"}}, kinds.NAMESPACE) == [(INVALID, "metadata.name")]


def test_no_cause_repeats_what_is_secret():
    secret = wire(kinds.SECRET, data={"a": "hunter2 is not base64"})
    causes = validation.validate(kinds.SECRET, secret)
    assert causes
    assert "hunter2" not in "".join(cause.message for cause in causes)


@pytest.mark.parametrize("kind", [kinds.CONFIG_MAP, kinds.SECRET], ids=str)
def test_immutable_means_it(kind):
    old = wire(kind, immutable=True, data={"a": "eA=="})
    assert faults(wire(kind, immutable=True, data={"a": "eA=="}), kind, old) == []
    assert faults(wire(kind, immutable=True, data={"a": "eQ=="}), kind, old) == [(FORBIDDEN, "data")]
    assert faults(wire(kind, data={"a": "eA=="}), kind, old) == [(FORBIDDEN, "immutable")]


def test_the_type_of_a_secret_stays():
    assert faults(wire(kinds.SECRET, type="a"), kinds.SECRET, wire(kinds.SECRET)) == [(INVALID, "type")]


def test_the_range_of_a_node_stays_once_set():
    old = wire(kinds.NODE, spec={"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.0.0.0/24"]})
    other = wire(kinds.NODE, spec={"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.1.0/24"]})
    assert (FORBIDDEN, "spec.podCIDR") in faults(other, kinds.NODE, old)
    assert faults(old, kinds.NODE, wire(kinds.NODE)) == []


def test_owners_need_all_they_are_known_by_and_one_controls():
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}
    several = wire(kinds.CONFIG_MAP)
    several["metadata"]["ownerReferences"] = [owner, {**owner, "uid": "v"}]
    assert faults(several, kinds.CONFIG_MAP) == [(INVALID, "metadata.ownerReferences")]
    several["metadata"]["ownerReferences"] = [{**owner, "uid": ""}]
    assert faults(several, kinds.CONFIG_MAP) == [(REQUIRED, "metadata.ownerReferences[0].uid")]


# -- fields


def test_unknown_fields_are_named_with_their_path():
    pod = copy.deepcopy(POD)
    pod["extra"] = 1
    pod["spec"]["containers"][1]["imagee"] = "x"
    pod["metadata"]["labels"] = {"anything": "goes"}
    pod["spec"]["node_name"] = "python's spelling"
    assert sorted(validation.unknown_fields(kinds.POD, pod)) == ["extra", "spec.containers[1].imagee", "spec.node_name"]


def test_known_fields_are_not():
    assert validation.unknown_fields(kinds.POD, POD) == []


def test_what_is_accepted_but_not_honoured_is_said():
    pod = copy.deepcopy(POD)
    pod["spec"]["containers"][0]["volumeDevices"] = [{"name": "p", "devicePath": "/dev/xvda"}]
    pod["spec"]["volumes"].append({"name": "p", "nfs": {"server": "s", "path": "/"}})
    validation.default(kinds.POD, pod)
    sentences = validation.unsupported(kinds.POD, pod)
    assert [sentence.partition(":")[0] for sentence in sentences] == [
        "spec.volumes[1].nfs",
        "spec.containers[0].volumeDevices",
    ]


def test_an_ordinary_pod_gets_no_warnings():
    pod = copy.deepcopy(POD)
    pod["spec"] |= {"automountServiceAccountToken": False, "shareProcessNamespace": False, "hostUsers": True}
    validation.default(kinds.POD, pod)
    assert validation.unsupported(kinds.POD, pod) == []


@pytest.mark.parametrize(
    ("marker", "value", "concerns"),
    [
        (NotYet("x"), None, False),
        (NotYet("x"), False, False),
        (NotYet("x"), True, True),
        (NotYet("x"), [], False),
        (NotYet("x"), {}, False),
        (NotYet("x", unless=True), True, False),
        (NotYet("x", unless=True), False, True),
        (NotYet("x", unless="Never"), "Never", False),
    ],
)
def test_what_happens_anyway_is_no_reason_to_warn(marker, value, concerns):
    assert marker.concerns(value) is concerns


def test_duplicate_keys_are_found_with_their_path():
    body = '{"a": 1, "a": 2, "spec": {"containers": [{"name": "x", "name": "y"}, {"name": "z"}]}}'
    assert validation.duplicate_fields(body) == ["a", "spec.containers[0].name"]
    assert validation.duplicate_fields(json.dumps(POD)) == []
