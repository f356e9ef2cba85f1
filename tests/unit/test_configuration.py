"""Which ConfigMaps and Secrets a pod template uses, and other names in their place."""

from __future__ import annotations

import copy

import pytest

from controlplane.controllers import pods
from controlplane.controllers.configuration.references import (
    PINNED,
    Reference,
    annotation,
    pinned,
    references,
    rewritten,
)
from schema.base import Wire

MAP, SECRET = Reference("ConfigMap", "a"), Reference("Secret", "a")


def of_container(part: Wire) -> Wire:
    return {"containers": [{"name": "c", "image": "i", **part}]}


def of_volume(part: Wire) -> Wire:
    return {"volumes": [{"name": "v", **part}]}


PLACES = [
    (of_container({"envFrom": [{"configMapRef": {"name": "a"}}]}), MAP),
    (of_container({"envFrom": [{"secretRef": {"name": "a"}}]}), SECRET),
    (of_container({"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}]}), MAP),
    (of_container({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}}]}), SECRET),
    ({"initContainers": [{"envFrom": [{"configMapRef": {"name": "a"}}]}]}, MAP),
    (of_volume({"configMap": {"name": "a"}}), MAP),
    (of_volume({"secret": {"secretName": "a"}}), SECRET),
    (of_volume({"projected": {"sources": [{"configMap": {"name": "a"}}]}}), MAP),
    (of_volume({"projected": {"sources": [{"secret": {"name": "a"}}]}}), SECRET),
]


@pytest.mark.parametrize(("spec", "reference"), PLACES)
def test_each_place_is_found_and_rewritten(spec: Wire, reference: Reference) -> None:
    before = copy.deepcopy(spec)
    assert references(spec) == [reference]
    assert references(rewritten(spec, {reference: "a-1"})) == [Reference(reference.kind, "a-1")]
    assert spec == before


@pytest.mark.parametrize(("spec", "reference"), PLACES)
def test_what_has_no_other_name_keeps_its_own(spec: Wire, reference: Reference) -> None:
    other = {Reference(reference.kind, "b"): "b-1"}
    assert rewritten(spec, other) == spec


@pytest.mark.parametrize(
    "spec",
    [
        {},
        of_container(
            {"env": [{"name": "X", "value": "a"}, {"name": "Y", "valueFrom": {"fieldRef": {"fieldPath": "p"}}}]}
        ),
        of_volume({"emptyDir": {}}),
        {"imagePullSecrets": [{"name": "a"}]},
        of_volume({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
    ],
)
def test_what_names_nothing(spec: Wire) -> None:
    assert references(spec) == []
    assert rewritten(spec, {MAP: "x", SECRET: "y"}) == spec


def annotated(text: str, spec: Wire | None = None) -> Wire:
    return {"metadata": {"annotations": {PINNED: text}}, "spec": spec or of_container({})}


def test_annotation_is_read_as_it_was_written() -> None:
    names = {MAP: "a-1", SECRET: "a-2"}
    assert pinned(annotated(annotation(names))) == names
    assert annotation(names) == annotation({SECRET: "a-2", MAP: "a-1"})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "null", '{"a": "b"}', '{"ConfigMap/a": 1}', '{"ConfigMap/a": ""}']
)
def test_an_annotation_that_cannot_be_read_pins_nothing(text: str) -> None:
    assert pinned(annotated(text)) == {}


def test_pods_use_what_their_template_pins() -> None:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
    }
    template = annotated(annotation({MAP: "a-1"}), PLACES[0][0])
    pod = pods.from_template(owner, template, "web-1")
    assert references(pod["spec"]) == [Reference("ConfigMap", "a-1")]
    assert references(template["spec"]) == [MAP]
