"""Definitions: which are sound, and which field is blamed where they are not."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from schema import kinds, validation
from schema.base import Wire
from schema.custom.kinds import define, priority
from tests.api.custom import definition, version

KIND = kinds.CUSTOM_RESOURCE_DEFINITION


def causes(wire: Wire, old: Wire | None = None) -> dict[str, str]:
    wire = copy.deepcopy(wire)
    validation.default(KIND, wire)
    return {cause.field: cause.message for cause in validation.validate(KIND, wire, old)}


def with_schema(**root: Any) -> Wire:
    return definition(versions=[version(schema={"openAPIV3Schema": {"type": "object", **root}}, selectableFields=None)])


def with_field(**field: Any) -> Wire:
    return with_schema(properties={"spec": {"type": "object", "properties": {"a": field}}})


SCHEMA = "spec.versions[0].schema.openAPIV3Schema"
FIELD = f"{SCHEMA}.properties[spec].properties[a]"


def test_a_definition_is_sound_and_its_names_are_filled_in():
    wire = definition()
    assert causes(wire) == {}
    validation.default(KIND, wire)
    assert wire["spec"]["names"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert wire["spec"]["conversion"] == {"strategy": "None"}


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        ({**definition(), "metadata": {"name": "gadgets.example.com"}}, "metadata.name"),
        (definition(group="example"), "spec.group"),
        (definition(group="Example.com"), "spec.group"),
        (definition(group="things.k8s.io"), "metadata.annotations[api-approved.kubernetes.io]"),
        (definition(scope="Global"), "spec.scope"),
        (definition(names={"kind": "no kind"}), "spec.names.kind"),
        (definition(names={"shortNames": ["W"]}), "spec.names.shortNames[0]"),
        (definition(names={"listKind": "Widget"}), "spec.names.listKind"),
        (definition(versions=[]), "spec.versions"),
        (definition(versions=[version(), version("v2")]), "spec.versions"),
        (definition(versions=[version(), version(storage=False)]), "spec.versions[1].name"),
        (definition(versions=[version(storage=False)]), "spec.versions"),
        (definition(versions=[version("1")]), "spec.versions[0].name"),
        (definition(versions=[version(schema=None, selectableFields=None)]), SCHEMA),
        (definition(conversion={"strategy": "Webhook"}), "spec.conversion.strategy"),
        (definition(preserveUnknownFields=True), "spec.preserveUnknownFields"),
        (
            definition(versions=[version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": ".a"}])]),
            "spec.versions[0].additionalPrinterColumns[0].type",
        ),
        (
            definition(
                versions=[version(additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": ".a["}])]
            ),
            "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        ),
        (
            definition(
                versions=[
                    version(subresources={"scale": {"specReplicasPath": ".x", "statusReplicasPath": ".status.n"}})
                ]
            ),
            "spec.versions[0].subresources.scale.specReplicasPath",
        ),
        (
            definition(versions=[version(selectableFields=[{"jsonPath": ".spec.parts"}])]),
            "spec.versions[0].selectableFields[0].jsonPath",
        ),
        (
            definition(versions=[version(deprecationWarning="old")]),
            "spec.versions[0].deprecationWarning",
        ),
        # structural schemas
        (with_schema(type="array"), f"{SCHEMA}.type"),
        (with_field(), f"{FIELD}.type"),
        (with_field(type="text"), f"{FIELD}.type"),
        (with_field(type="array"), f"{FIELD}.items"),
        (with_field(**{"type": "string", "x-kubernetes-int-or-string": True}), f"{FIELD}.type"),
        (with_field(**{"type": "object", "x-kubernetes-preserve-unknown-fields": False}), None),
        (with_field(type="string", pattern="("), f"{FIELD}.pattern"),
        (with_field(type="string", minLength=3, maxLength=2), f"{FIELD}.maxLength"),
        (with_field(type="object", additionalProperties=False), f"{FIELD}.additionalProperties"),
        (with_field(type="object", additionalProperties={"type": "text"}), f"{FIELD}.additionalProperties.type"),
        (with_field(type="object", additionalProperties={"required": "a"}), f"{FIELD}.additionalProperties.required"),
        (
            with_field(type="object", properties={"b": {"type": "string"}}, additionalProperties=True),
            f"{FIELD}.additionalProperties",
        ),
        (with_field(type="array", items={"type": "string"}, uniqueItems=True), f"{FIELD}.uniqueItems"),
        (with_field(**{"$ref": "#/x", "type": "object"}), f"{FIELD}.$ref"),
        (with_field(type="integer", default="one"), f"{FIELD}.default"),
        (with_field(type="object", default={"b": 1}), f"{FIELD}.default.b"),
        (with_field(type="string", anyOf=[{"type": "string"}]), f"{FIELD}.anyOf[0].type"),
        (with_field(type="object", anyOf=[{"properties": {"b": {"minimum": 1}}}]), f"{FIELD}.properties[b]"),
        (
            with_field(**{"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}),
            f"{FIELD}.x-kubernetes-list-map-keys",
        ),
        (with_field(**{"type": "string", "x-kubernetes-list-type": "set"}), f"{FIELD}.type"),
        (
            with_schema(properties={"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}),
            f"{SCHEMA}.properties[metadata]",
        ),
        (with_schema(properties={"kind": {"type": "integer"}}), f"{SCHEMA}.properties[kind].type"),
    ],
)
def test_the_field_at_fault_is_named(wire, field):
    found = causes(wire)
    if field is None:
        assert found
    else:
        assert field in found, found


@pytest.mark.parametrize(
    "field",
    [
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": "^[0-9]+%?$",
        },
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"x-kubernetes-preserve-unknown-fields": True},
        {"type": "object", "additionalProperties": {"type": "object", "properties": {"b": {"type": "number"}}}},
        {
            "type": "object",
            "properties": {"b": {"type": "string"}, "c": {"type": "string"}},
            "oneOf": [{"required": ["b"]}, {"required": ["c"]}],
        },
        {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        {"type": "string", "enum": ["a", ""], "nullable": True, "format": "no such format"},
    ],
)
def test_what_is_structural_is_accepted(field):
    assert causes(with_field(**field)) == {}


def test_a_rule_in_cel_is_kept_with_a_warning():
    wire = with_field(**{"type": "string", "x-kubernetes-validations": [{"rule": "self != ''"}]})
    assert causes(wire) == {}
    (warning,) = validation.unsupported(KIND, wire)
    assert "CEL rules are not evaluated" in warning


def test_what_identifies_it_cannot_change():
    old = definition()
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["kind"] = "Gadget"
    assert {"spec.scope", "spec.names.kind"} <= set(causes(new, old))
    waiting = {**old, "status": {}}
    assert "spec.scope" not in causes({**new, "status": {}}, waiting)


def test_a_version_that_was_stored_cannot_be_taken_out():
    wire = definition(versions=[version("v2")])
    wire["status"] = {"storedVersions": ["v1", "v2"]}
    assert set(causes(wire)) == {"status.storedVersions[0]"}


def test_versions_are_ordered_by_their_stability():
    names = ["v1", "v10", "v2", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    expected = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    assert sorted(names, key=priority, reverse=True) == expected


def test_it_makes_kinds_as_those_that_are_built_in():
    wire = definition(versions=[version("v1beta1", storage=False), version()], names={"shortNames": ["wd"]})
    wire["metadata"]["uid"] = "1"
    made = define(wire)
    assert [each.kind.api_version for each in made.versions] == ["example.com/v1", "example.com/v1beta1"]
    kind = made.versions[0].kind
    assert kind is made.stored
    assert (kind.group_resource, kind.subresources) == ("widgets.example.com", ("status", "scale"))
    assert kind.field_values({"metadata": {"name": "a"}, "spec": {"color": "red"}})["spec.color"] == "red"
