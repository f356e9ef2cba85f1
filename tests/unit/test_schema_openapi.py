"""What clients read in the OpenAPI documents."""

from __future__ import annotations

from typing import Any

import pytest

from schema import kinds, openapi

CORE = openapi.document("", "v1")
POD_SPEC = CORE["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]


def references(value: Any):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("kind", kinds.ALL, ids=str)
def test_each_kind_offers_a_patch_with_field_validation(kind: kinds.Kind) -> None:
    document = openapi.document(kind.group, kind.version)
    wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    patches = [
        path["patch"]
        for path in document["paths"].values()
        if path.get("patch", {}).get("x-kubernetes-group-version-kind") == wanted
    ]
    assert patches
    for patch in patches:
        assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


@pytest.mark.parametrize("path", list(openapi.index()["paths"]))
def test_every_reference_has_its_schema(path: str) -> None:
    parts = path.split("/")
    document = openapi.document("" if parts[0] == "api" else parts[1], parts[-1])
    missing = {ref for ref in references(document) if ref.rsplit("/", 1)[-1] not in document["components"]["schemas"]}
    assert missing == set()


def test_lists_that_merge_by_key_say_so() -> None:
    containers = POD_SPEC["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    volumes = POD_SPEC["properties"]["volumes"]
    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"
    assert POD_SPEC["properties"]["tolerations"]["x-kubernetes-list-type"] == "atomic"


def test_every_field_of_a_pod_is_described() -> None:
    undescribed = [name for name, field in POD_SPEC["properties"].items() if not field.get("description")]
    assert undescribed == []
    assert "OnFailure" in POD_SPEC["properties"]["restartPolicy"]["description"]


def test_kinds_are_found_by_group_version_and_kind() -> None:
    pod = CORE["components"]["schemas"]["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
