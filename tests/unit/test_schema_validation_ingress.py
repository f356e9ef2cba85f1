"""Ingresses and their classes: each rule with the field that it blames."""

from __future__ import annotations

from typing import Any

import pytest

from schema import kinds, validation
from schema.base import Wire


def backend(name: str = "web", **port: Any) -> Wire:
    return {"service": {"name": name, "port": port or {"number": 80}}}


def ingress(path: Wire | None = None, **spec: Any) -> Wire:
    entry = {"path": "/", "pathType": "Prefix", "backend": backend(), **(path or {})}
    rules = [{"host": "a.test", "http": {"paths": [entry]}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {"rules": rules, **spec},
    }


def fields(wire: Wire, kind: kinds.Kind = kinds.INGRESS, old: Wire | None = None) -> list[str]:
    validation.default(kind, wire)
    return [cause.field for cause in validation.validate(kind, wire, old)]


PATH = "spec.rules[0].http.paths[0]"


@pytest.mark.parametrize(
    "wire",
    [
        ingress(),
        ingress({"path": "", "pathType": "ImplementationSpecific"}),
        ingress({"backend": backend(name="http")}),
        ingress({"backend": {"service": {"name": "web", "port": {"name": "http"}}}}),
        ingress(tls=[{"hosts": ["*.a.test"]}], defaultBackend=backend()),
        ingress(rules=[], defaultBackend=backend()),
        ingress(rules=[{"http": {"paths": [{"path": "/x", "pathType": "Exact", "backend": backend()}]}}]),
    ],
)
def test_what_can_be_served_is_sound(wire: Wire) -> None:
    assert fields(wire) == []


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (ingress(rules=[]), "spec"),
        (ingress({"path": "x"}), f"{PATH}.path"),
        (ingress({"path": "/a//b"}), f"{PATH}.path"),
        (ingress({"path": "/a/../b"}), f"{PATH}.path"),
        (ingress({"path": "/a/.."}), f"{PATH}.path"),
        (ingress({"path": "/a b"}), f"{PATH}.path"),
        (ingress({"path": '/a"b'}), f"{PATH}.path"),
        (ingress({"path": "/a%2fb"}), f"{PATH}.path"),
        (ingress({"pathType": None}), f"{PATH}.pathType"),
        (ingress({"pathType": "Glob"}), f"{PATH}.pathType"),
        (ingress({"backend": {}}), f"{PATH}.backend"),
        (ingress({"backend": {"resource": {"kind": "Bucket", "name": "b"}}}), f"{PATH}.backend.resource"),
        (ingress({"backend": backend("Web")}), f"{PATH}.backend.service.name"),
        (ingress({"backend": {"service": {"name": "web"}}}), f"{PATH}.backend"),
        (ingress({"backend": backend(number=70000)}), f"{PATH}.backend.service.port.number"),
        (ingress({"backend": {"service": {"name": "web", "port": {"name": "http", "number": 80}}}}), f"{PATH}.backend"),
        (
            ingress({"backend": {"service": {"name": "web", "port": {"name": "-"}}}}),
            f"{PATH}.backend.service.port.name",
        ),
        (ingress(rules=[{"host": "10.0.0.1"}]), "spec.rules[0].host"),
        (ingress(rules=[{"host": "a.*.test"}]), "spec.rules[0].host"),
        (ingress(rules=[{"host": "a.test", "http": {"paths": []}}]), "spec.rules[0].http.paths"),
        (ingress(tls=[{"hosts": ["a_b"]}]), "spec.tls[0].hosts[0]"),
        (ingress(tls=[{"secretName": "Not"}]), "spec.tls[0].secretName"),
        (ingress(ingressClassName="No Class"), "spec.ingressClassName"),
    ],
)
def test_what_cannot_be_served_is_blamed(wire: Wire, field: str) -> None:
    assert fields(wire) == [field]


def ingress_class(controller: str) -> Wire:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "one"},
        "spec": {"controller": controller},
    }


@pytest.mark.parametrize("name", ["slipway.dev/issuer", "slipway.dev/proxy-protocol"])
def test_annotations_that_we_read_hold_words_that_we_know(name: str) -> None:
    wire = ingress({})
    wire["metadata"]["annotations"] = {name: "whoever"}
    assert fields(wire) == [f"metadata.annotations[{name}]"]


def test_a_class_names_an_issuer_that_there_is() -> None:
    wire = ingress_class("slipway.dev/ingress")
    wire["metadata"]["annotations"] = {"slipway.dev/issuer": "whoever"}
    assert fields(wire, kinds.INGRESS_CLASS) == ["metadata.annotations[slipway.dev/issuer]"]


@pytest.mark.parametrize("controller", ["", "slipway", "No Domain/x", "x" * 251 + "/y"])
def test_a_class_names_its_controller(controller: str) -> None:
    assert fields(ingress_class(controller), kinds.INGRESS_CLASS) == ["spec.controller"]


def test_a_class_keeps_its_controller() -> None:
    new, old = ingress_class("slipway.dev/ingress"), ingress_class("example.org/other")
    assert fields(new, kinds.INGRESS_CLASS, old) == ["spec.controller"]
