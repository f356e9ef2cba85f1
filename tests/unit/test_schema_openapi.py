"""The OpenAPI documents: complete, closed, and with what kubectl computes patches from."""

import json
import re

import pytest

from schema import kinds, openapi

CORE = openapi.document("", "v1")
SCHEMAS = CORE["components"]["schemas"]


def properties(name):
    return SCHEMAS[f"io.k8s.api.core.v1.{name}"]["properties"]


@pytest.mark.parametrize(("group", "version"), sorted({(kind.group, kind.version) for kind in kinds.ALL}))
def test_every_reference_leads_somewhere(group, version):
    document = openapi.document(group, version)
    referred = set(re.findall(r'#/components/schemas/([^"]+)', json.dumps(document)))
    assert referred
    assert referred <= set(document["components"]["schemas"])


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_every_kind_can_be_explained_and_patched_with_field_validation(kind):
    document = openapi.document(kind.group, kind.version)
    entry = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    described = [
        s for s in document["components"]["schemas"].values() if entry in s.get("x-kubernetes-group-version-kind", [])
    ]
    assert len(described) == 1
    assert described[0]["description"]
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    patch = document["paths"][f"{collection}/{{name}}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == entry
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    assert {"get", "post"} <= set(document["paths"][collection])


def test_operations_are_named_once():
    ids = [
        operation["operationId"]
        for path in CORE["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
    ]
    assert len(ids) == len(set(ids)) > 50
    assert {"createCoreV1NamespacedPod", "listCoreV1PodForAllNamespaces", "readCoreV1NodeStatus"} <= set(ids)


@pytest.mark.parametrize(
    ("model", "field", "key", "strategy"),
    [
        ("PodSpec", "containers", "name", "merge"),
        ("PodSpec", "initContainers", "name", "merge"),
        ("PodSpec", "volumes", "name", "merge,retainKeys"),
        ("PodSpec", "imagePullSecrets", "name", "merge"),
        ("PodSpec", "hostAliases", "ip", "merge"),
        ("PodSpec", "topologySpreadConstraints", "topologyKey", "merge"),
        ("Container", "env", "name", "merge"),
        ("Container", "ports", "containerPort", "merge"),
        ("Container", "volumeMounts", "mountPath", "merge"),
        ("Container", "volumeDevices", "devicePath", "merge"),
        ("PodStatus", "conditions", "type", "merge"),
        ("PodStatus", "podIPs", "ip", "merge"),
        ("NodeStatus", "addresses", "type", "merge"),
        ("ServiceAccount", "secrets", "name", "merge"),
    ],
)
def test_merge_keys_are_published(model, field, key, strategy):
    schema = properties(model)[field]
    assert schema["x-kubernetes-patch-merge-key"] == key
    assert schema["x-kubernetes-patch-strategy"] == strategy


def test_ports_have_two_keys_for_server_side_apply():
    assert properties("Container")["ports"]["x-kubernetes-list-map-keys"] == ["containerPort", "protocol"]


@pytest.mark.parametrize(
    ("model", "field"), [("NodeSpec", "taints"), ("PodSpec", "tolerations"), ("Container", "args")]
)
def test_atomic_lists_have_no_merge_key(model, field):
    schema = properties(model)[field]
    assert schema["x-kubernetes-list-type"] == "atomic"
    assert "x-kubernetes-patch-strategy" not in schema


def test_what_is_not_honoured_says_so_in_its_description():
    assert "not honoured yet" in properties("Container")["volumeDevices"]["description"]
    assert "not honoured yet" not in properties("Container")["image"]["description"]


def test_the_index_names_each_document_by_its_contents():
    index = openapi.index()["paths"]
    served = [*kinds.ALL, *(each.kind for each in kinds.VERSIONS)]
    assert set(index) == {"api/v1", *(f"apis/{kind.api_version}" for kind in served if kind.group)}
    assert re.fullmatch(r"/openapi/v3/api/v1\?hash=[0-9A-F]{32}", index["api/v1"]["serverRelativeURL"])
    assert openapi.index() == openapi.index()
