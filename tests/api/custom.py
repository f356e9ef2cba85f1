"""Definitions and objects of custom kinds for tests."""

from __future__ import annotations

from typing import Any

from schema.base import Wire

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"

SPEC: Wire = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "description": "How large it is."},
        "color": {"type": "string", "enum": ["red", "green"], "default": "red"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
        "replicas": {"type": "integer"},
        "port": {"x-kubernetes-int-or-string": True},
        "note": {"type": "string", "nullable": True},
        "since": {"type": "string", "format": "date-time"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "parts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
            },
        },
        "embedded": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}
STATUS: Wire = {
    "type": "object",
    "properties": {
        "phase": {"type": "string"},
        "replicas": {"type": "integer"},
        "selector": {"type": "string"},
        "readyAt": {"type": "string", "format": "date-time"},
    },
}


def version(name: str = "v1", **changes: Any) -> Wire:
    made: Wire = {
        "name": name,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].name", "priority": 1},
            {"name": "Ready", "type": "date", "jsonPath": ".status.readyAt"},
        ],
        "selectableFields": [{"jsonPath": ".spec.color"}],
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


def definition(plural: str = "widgets", group: str = "example.com", **changes: Any) -> Wire:
    kind = changes.pop("kind", plural.removesuffix("s").capitalize())
    names = {"plural": plural, "kind": kind, **changes.pop("names", {})}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version()], **changes}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": spec,
    }


def widget(name: str = "one", *, version: str = "v1", **changes: Any) -> Wire:
    metadata = {"name": name, **changes.pop("metadata", {})}
    return {
        "apiVersion": f"example.com/{version}",
        "kind": "Widget",
        "metadata": metadata,
        "spec": {"size": 3},
        **changes,
    }


def condition(wire: Wire, kind: str) -> Wire:
    return dict(next(each for each in wire["status"]["conditions"] if each["type"] == kind))
