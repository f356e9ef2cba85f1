"""Schemas of the types."""

from __future__ import annotations

from typing import Any

from schema import shapes
from schema.base import ApiModel, Wire
from schema.custom.resource import Custom
from schema.kinds import Kind
from schema.meta import ListMeta, Object, ObjectMeta
from schema.openapi import docstrings
from schema.shapes import Field, Structure

_CORE = "io.k8s.api.core.v1"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
_PACKAGES = {
    "schema.apiextensions.customresourcedefinition": _EXTENSIONS,
    "schema.apiextensions.schemaprops": _EXTENSIONS,
    "schema.apps.controllerrevision": "io.k8s.api.apps.v1",
    "schema.apps.daemonset": "io.k8s.api.apps.v1",
    "schema.apps.deployment": "io.k8s.api.apps.v1",
    "schema.apps.replicaset": "io.k8s.api.apps.v1",
    "schema.apps.statefulset": "io.k8s.api.apps.v1",
    "schema.autoscaling.horizontalpodautoscaler": "io.k8s.api.autoscaling.v2",
    "schema.autoscaling.scale": "io.k8s.api.autoscaling.v1",
    "schema.autoscaling.version1": "io.k8s.api.autoscaling.v1",
    "schema.batch.cronjob": "io.k8s.api.batch.v1",
    "schema.batch.job": "io.k8s.api.batch.v1",
    "schema.coordination": "io.k8s.api.coordination.v1",
    "schema.discovery.endpointslice": "io.k8s.api.discovery.v1",
    "schema.meta": _META,
    "schema.networking.ingress": "io.k8s.api.networking.v1",
    "schema.networking.networkpolicy": "io.k8s.api.networking.v1",
    "schema.policy.poddisruptionbudget": "io.k8s.api.policy.v1",
    "schema.slipway.repository": "dev.slipway.v1",
    "schema.slipway.image": "dev.slipway.v1",
    "schema.slipway.trigger": "dev.slipway.v1",
    "schema.scheduling.priorityclass": "io.k8s.api.scheduling.v1",
    "schema.slipway.build": "dev.slipway.v1",
}
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_PRIMITIVES: dict[frozenset[type], str] = {
    frozenset([str]): "string",
    frozenset([int]): "integer",
    frozenset([bool]): "boolean",
    frozenset([float]): "number",
}
_SPECIAL: Wire = {
    _QUANTITY: {
        "description": "A fixed-point number with an optional suffix: 500m, 0.5, 128Mi, 1e3.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
    _INT_OR_STRING: {
        "description": "A number, or a string that names one.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


class Schemas:
    """Gathers the schemas that a document refers to."""

    def __init__(self) -> None:
        self._found: dict[str, Wire] = {}

    def components(self) -> Wire:
        return dict(sorted(self._found.items()))

    def of(self, model: type[ApiModel]) -> Wire:
        """A reference to the schema of a class, which is added with all that it refers to."""
        name = f"{_PACKAGES.get(model.__module__, _CORE)}.{model.__name__}"
        if name not in self._found:
            self._found[name] = {}  # before its fields are looked at: a type may contain itself
            self._found[name] = self._object(model)
        return _reference(name)

    def of_kind(self, kind: Kind) -> Wire:
        reference = self.of(kind.model) if kind.custom is None else self._custom(kind, kind.custom)
        self._schema(reference)["x-kubernetes-group-version-kind"] = [gvk(kind, kind.kind)]
        return reference

    def of_list(self, kind: Kind) -> Wire:
        name = f"{_package(kind)}.{kind.list_kind}"
        self._found[name] = {
            "type": "object",
            "description": f"A list of {kind.plural}.",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string", "description": f"Always {kind.api_version}."},
                "items": {"type": "array", "description": f"The {kind.plural}.", "items": self.of_kind(kind)},
                "kind": {"type": "string", "description": f"Always {kind.list_kind}."},
                "metadata": {"description": "Standard list metadata.", "allOf": [self.of(ListMeta)], "default": {}},
            },
            "x-kubernetes-group-version-kind": [gvk(kind, kind.list_kind)],
        }
        return _reference(name)

    def _custom(self, kind: Kind, custom: Custom) -> Wire:
        """As the definition has it, with the fields that every object has."""
        name = f"{_package(kind)}.{kind.kind}"
        if name not in self._found:
            own = docstrings.of_fields(Object)
            given = custom.schema.wire
            self._found[name] = {
                **given,
                "properties": {
                    **(given.get("properties") or {}),
                    "apiVersion": {"type": "string", "description": own["api_version"]},
                    "kind": {"type": "string", "description": own["kind"]},
                    "metadata": {"description": own["metadata"], "allOf": [self.of(ObjectMeta)], "default": {}},
                },
            }
        return _reference(name)

    def mark(self, reference: Wire, entry: Wire) -> None:
        """Say which group, version and kind a schema has."""
        self._schema(reference)["x-kubernetes-group-version-kind"] = [entry]

    def _schema(self, reference: Wire) -> Wire:
        return self._found[reference["$ref"].rpartition("/")[2]]

    def _object(self, model: type[ApiModel]) -> Wire:
        table, docs = shapes.table(model), docstrings.of_fields(model)
        schema: Wire = {"type": "object", "description": docstrings.of_class(model)}
        required = sorted(field.name for field in table.values() if field.required)
        if required:
            schema["required"] = required
        schema["properties"] = {
            name: self._field(field, docs.get(field.attribute, "")) for name, field in sorted(table.items())
        }
        if model.map_type == "atomic":
            schema["x-kubernetes-map-type"] = "atomic"
        return schema

    def _field(self, field: Field, description: str) -> Wire:
        schema: Wire = {"description": _with_status(field, description)}
        match field.structure:
            case Structure.LIST:
                schema |= {"type": "array", "items": self._element(field), **_list_extensions(field)}
            case Structure.MAP:
                schema |= {"type": "object", "additionalProperties": self._element(field)}
                if field.atomic:
                    schema["x-kubernetes-map-type"] = "atomic"
            case Structure.ANY:
                schema |= {"type": "object"}
            case _:
                schema |= self._value(field)
        return schema

    def _element(self, field: Field) -> Wire:
        value = self._value(field)
        return {**value, "default": {}} if field.model is not None else value

    def _value(self, field: Field) -> Wire:
        if field.model is not None:
            return {"allOf": [self.of(field.model)]}
        if field.is_quantity:
            return {"allOf": [self._special(_QUANTITY)]}
        if field.format is not None and field.format.name == "int-or-string":
            return {"allOf": [self._special(_INT_OR_STRING)]}
        return _scalar(field)

    def _special(self, name: str) -> Wire:
        self._found.setdefault(name, _SPECIAL[name])
        return _reference(name)


def _package(kind: Kind) -> str:
    """``com.example.v1``: a custom kind's group, backwards."""
    if kind.custom is not None:
        return ".".join([*reversed(kind.group.split(".")), kind.version])
    return _PACKAGES.get(kind.model.__module__, _CORE)


def _reference(name: str) -> Wire:
    return {"$ref": f"#/components/schemas/{name}"}


def _scalar(field: Field) -> Wire:
    schema: Wire = {"type": _PRIMITIVES.get(field.scalars, "string")}
    if field.format is not None:
        schema["format"] = field.format.name
    if field.one_of is not None:
        schema["enum"] = sorted(field.one_of)
    return schema


def _with_status(field: Field, description: str) -> str:
    if field.not_yet is None:
        return description
    return f"{description} Accepted but not honoured yet: {field.not_yet.reason}.".strip()


def _list_extensions(field: Field) -> dict[str, Any]:
    if field.list_key is not None:
        return {
            "x-kubernetes-list-map-keys": list(field.list_key.map_keys),
            "x-kubernetes-list-type": "map",
            "x-kubernetes-patch-merge-key": field.list_key.strategic,
            "x-kubernetes-patch-strategy": "merge,retainKeys" if field.retain_keys else "merge",
        }
    if field.list_set:
        return {"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}
    return {"x-kubernetes-list-type": "atomic"}


def gvk(kind: Kind, name: str) -> Wire:
    return {"group": kind.group, "version": kind.version, "kind": name}
