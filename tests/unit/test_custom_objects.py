"""What a schema makes of an object: unknown fields, defaults, faults, columns."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.api import custom
from schema import validation
from schema.base import Wire
from schema.custom import checking, defaulting, paths, patterns, pruning, scales, structural
from schema.custom.kinds import define
from schema.custom.resource import Column, Custom
from schema.validation.causes import Problems
from tests.api.custom import definition, widget


def kind() -> Any:
    wire = definition()
    wire["metadata"]["uid"] = "1"
    return define(wire).stored


KIND = kind()


def faults(schema: Wire, value: Any, old: Any = None) -> dict[str, str]:
    read = structural.read({"type": "object", "properties": {"a": schema}})
    problems = Problems()
    checking.check(read, {"a": value}, None if old is None else {"a": old}, problems)
    return {cause.field: cause.reason for cause in problems.causes}


def causes(wire: Wire, old: Wire | None = None) -> set[str]:
    return {cause.field for cause in validation.validate(KIND, wire, old)}


NAMED: Wire = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name", "port"],
    "items": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "port": {"type": "integer", "default": 80},
            "size": {"type": "integer", "maximum": 5},
        },
    },
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, ["", "a"], [1, None, [], {}]),
        ({"type": "string", "nullable": True}, [None], [1]),
        ({"type": "integer"}, [1, 2.0], ["1", 1.5, True]),
        ({"type": "number"}, [1, 1.5], ["1", False]),
        ({"type": "boolean"}, [True], ["true", 0]),
        ({"type": "object"}, [{}], [[]]),
        ({"x-kubernetes-int-or-string": True}, [1, "50%"], [1.5, {}, True]),
        ({"type": "string", "enum": ["a", "b"]}, ["a"], ["c", ""]),
        ({"type": "string", "pattern": "^a+$"}, ["aa"], ["ab"]),
        ({"type": "string", "pattern": "b"}, ["abc"], ["a"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["ää"], ["a", "abcd"]),
        ({"type": "integer", "minimum": 1, "maximum": 3}, [1, 3], [0, 4]),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, [1.1], [1]),
        ({"type": "number", "multipleOf": 0.1}, [0.3, 7], [0.25]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}, [[1]], [[], [1, 2, 3]]),
        (
            {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1},
            [{"x": "y"}],
            [{"x": "", "y": ""}],
        ),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}, [["a", "b"]], [["a", "a"]]),
        ({"type": "string", "format": "date-time"}, ["2026-01-01T00:00:00Z"], ["yesterday", "2026-01-01"]),
        ({"type": "string", "format": "duration"}, ["1h30m", "0"], ["soon", "h"]),
        ({"type": "string", "format": "ipv4"}, ["10.0.0.1"], ["::1", "10.0.0.256"]),
        ({"type": "string", "format": "ipv6"}, ["::1"], ["10.0.0.1"]),
        ({"type": "string", "format": "cidr"}, ["10.0.0.0/8"], ["10.0.0.0"]),
        ({"type": "string", "format": "uri"}, ["https://a/b"], ["a b"]),
        ({"type": "string", "format": "byte"}, ["YQ=="], ["?"]),
        ({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["1"]),
        ({"type": "string", "format": "other"}, ["anything"], []),
        ({"type": "integer", "format": "int32"}, [2**31 - 1], [2**31]),
        ({"type": "string", "anyOf": [{"pattern": "^a"}, {"maxLength": 1}]}, ["ab", "b"], ["bc"]),
        ({"type": "string", "allOf": [{"pattern": "^a"}, {"maxLength": 2}]}, ["ab"], ["b", "abc"]),
        ({"type": "string", "oneOf": [{"pattern": "^a"}, {"maxLength": 1}]}, ["ab", "b"], ["a", "bc"]),
        ({"type": "string", "not": {"enum": ["x"]}}, ["a"], ["x"]),
    ],
)
def test_values_fit_or_are_blamed(schema, good, bad):
    for value in good:
        assert faults(schema, value) == {}, value
    for value in bad:
        assert {field.partition("[")[0] for field in faults(schema, value)} == {"a"}, value


def test_each_fault_names_its_place():
    value = [{"name": "x", "size": 9}, {"size": "1"}, {"name": "x", "port": 80}]
    assert faults(NAMED, value) == {
        "a[0].size": "FieldValueInvalid",
        "a[1].name": "FieldValueRequired",
        "a[1].size": "FieldValueTypeInvalid",
        "a[2]": "FieldValueDuplicate",
    }
    assert faults({"type": "object", "additionalProperties": {"type": "integer"}}, {"b.c": "x"}) == {
        "a[b.c]": "FieldValueTypeInvalid"
    }


def test_what_was_wrong_before_and_is_left_alone_is_not_held_against_an_update():
    before = [{"name": "x", "size": 9}, {"name": "y"}]
    assert faults(NAMED, [{"name": "new"}, {"name": "x", "size": 9}], before) == {}
    assert set(faults(NAMED, [{"name": "x", "size": 8}], before)) == {"a[0].size"}
    assert faults({"type": "string", "enum": ["b"]}, "a", "a") == {}


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_is_matched_in_linear_time(pattern):
    # With backtracking this would not come to its end within the age of the universe.
    assert not patterns.found(pattern, "a" * 20_000 + "!")


def test_a_huge_pattern_is_refused():
    for pattern in ("a" * 5000, "((a{100}){100}){100}", "(?<=a)b"):
        with pytest.raises(patterns.PatternError):
            patterns.compiled(pattern)


def test_unknown_fields_are_named_and_dropped():
    wire = widget(spec={"size": 1, "colour": "red", "parts": [{"name": "a", "x": 1}], "free": {"y": {"z": 1}}}, extra=1)
    wire["metadata"]["lables"] = {}
    wire["spec"]["embedded"] = {"apiVersion": "v1", "kind": "A", "metadata": {}, "more": 1}
    assert validation.unknown_fields(KIND, wire) == [
        "metadata.lables",
        "spec.colour",
        "spec.parts[0].x",
        "extra",
    ]
    validation.default(KIND, wire)
    assert validation.unknown_fields(KIND, wire) == []
    assert wire["spec"]["free"] == {"y": {"z": 1}}
    assert wire["spec"]["embedded"]["more"] == 1


def test_what_is_absent_or_null_is_filled_in():
    wire = widget(spec={"size": 1, "color": None, "note": None, "code": None, "parts": [{"name": "a"}]})
    validation.default(KIND, wire)
    assert wire["spec"] == {"size": 1, "color": "red", "note": None, "parts": [{"name": "a", "count": 1}]}


def test_an_object_is_blamed_as_any_other():
    assert causes(widget("Not A Name", metadata={"namespace": "default"})) == {"metadata.name"}
    wire = widget(metadata={"namespace": "default"}, spec={"embedded": {"kind": 1}})
    assert causes(wire) == {"spec.size", "spec.embedded.apiVersion", "spec.embedded.kind"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
ANY_SCHEMA = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer", "default": 1},
            {"type": "boolean", "nullable": True},
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            {"x-kubernetes-int-or-string": True},
        ]
    ),
    lambda inner: (
        st.builds(lambda each: {"type": "array", "items": each}, inner)
        | st.builds(lambda each: {"type": "object", "additionalProperties": each}, inner)
        | st.builds(
            lambda some: {"type": "object", "properties": some},
            st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3),
        )
    ),
    max_leaves=6,
)


@given(
    properties=st.dictionaries(st.sampled_from("abcd"), ANY_SCHEMA, min_size=1, max_size=3),
    wire=st.dictionaries(st.sampled_from("abcd"), JSON),
)
def test_whatever_comes_is_pruned_and_defaulted_once_and_for_all(properties, wire):
    schema = structural.read({"type": "object", "properties": properties})
    wire = {"metadata": {}, **wire}
    pruning.prune(schema, wire)
    assert list(pruning.unknown(schema, wire)) == []
    defaulting.default(schema, wire)
    again = copy.deepcopy(wire)
    pruning.prune(schema, again)
    defaulting.default(schema, again)
    assert again == wire
    checking.check(schema, wire, None, Problems())
    kept = Problems()
    checking.check(schema, wire, copy.deepcopy(wire), kept)
    assert kept.causes == []


THING: Wire = {
    "metadata": {"name": "x", "labels": {"a.b/c": "l"}},
    "spec": {"n": [1, 2, 3], "m": {"x": {"y": "z"}}, "t": "text", "o": {"a": 1}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False", "n": 3}]},
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.t", ["text"]),
        ("{.spec.t}", ["text"]),
        (".spec.none.t", []),
        (".spec.n[0]", [1]),
        (".spec.n[-1]", [3]),
        (".spec.n[7]", []),
        (".spec.n[*]", [1, 2, 3]),
        (".spec.n[1:]", [2, 3]),
        (".spec.n[0,2]", [1, 3]),
        (".metadata.labels['a.b/c']", ["l"]),
        (".metadata.labels.a\\.b/c", ["l"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Old')].status", ["False"]),
        (".status.conditions[?(@.n>2)].type", ["Old"]),
        (".status.conditions[?(@.n)].type", ["Old"]),
        ("..y", ["z"]),
        (".spec.m.*.y", ["z"]),
    ],
)
def test_a_path_finds_values(path, expected):
    assert paths.compiled(path).values(THING) == expected


@pytest.mark.parametrize("path", [".spec[", ".a b", ".spec[?(@.x==)]", ".a[]", "." * 3000])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(paths.PathError):
        paths.compiled(path)


@given(st.text(alphabet=".[]'\"*?()@=:,-\\a1{} ", max_size=30))
def test_any_text_is_a_path_or_refused(text):
    with contextlib.suppress(paths.PathError):
        paths.compiled(text).values(THING)


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        ("string", ".spec.t", "text"),
        ("string", ".spec.n[*]", "1 2 3"),
        ("string", ".spec.o", '{"a":1}'),
        ("integer", ".spec.n[1]", 2),
        ("integer", ".spec.t", None),
        ("number", ".spec.n[1]", 2.0),
        ("boolean", ".spec.t", None),
        ("date", ".spec.t", "<unknown>"),
        ("date", ".spec.none", None),
    ],
)
def test_a_column_is_of_its_type(kind, path, cell):
    made = custom.columns(Custom("x", structural.EMPTY, (Column("C", kind, "", "", 0, path),)))[1]
    assert made.cell(THING) == cell


def test_replicas_are_where_the_definition_says():
    wire = widget(spec={"size": 1}, status={"replicas": 2, "selector": "a=b"})
    assert (scales.replicas(KIND, wire), scales.observed(KIND, wire), scales.selector(KIND, wire)) == (0, 2, "a=b")
    assert scales.with_replicas(KIND, wire, 4)["spec"] == {"size": 1, "replicas": 4}
    assert wire["spec"] == {"size": 1}
