"""From bytes to JSON values: what is read as what, and what is refused before it can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.api import bodies
from controlplane.api.errors import BadRequest, BodyTooLarge


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: yes", {"a": True}),
        ("mode: 0644", {"mode": 0o644}),
        ("mode: 0o644", {"mode": 0o644}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: -1.5", {"a": -1.5}),
        ("day: 2026-01-31", {"day": "2026-01-31"}),
        ("at: 2026-01-31T08:15:00Z", {"at": "2026-01-31T08:15:00Z"}),
        ("port: 22:22", {"port": "22:22"}),
        ("version: 1.2.3", {"version": "1.2.3"}),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("a: ~", {"a": None}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("base: &b {x: 1}\nall: {<<: *b, y: 2}", {"base": {"x": 1}, "all": {"x": 1, "y": 2}}),
        ("- a\n- b", ["a", "b"]),
        ("a: !!str 5\nb: !!float 5\nc: !!int '7'", {"a": "5", "b": 5.0, "c": 7}),
        ("a: '5'\nb: \"yes\"\nc: |\n  text\n", {"a": "5", "b": "yes", "c": "text\n"}),
        ("x: {<<: [{a: 1}, {a: 2, b: 2}], b: 3}", {"x": {"a": 1, "b": 3}}),
        ("", None),
        ("big: 123456789012345678901234567890", {"big": 123456789012345678901234567890.0}),
    ],
)
def test_yaml_reads_as_kubernetes_reads_it(text: str, value: object):
    assert bodies.from_yaml(text.encode()).value == value


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
)


@pytest.mark.parametrize(
    "text",
    [
        b"a: [",
        b"\xff\xfe\x00",
        b"a: !!python/object:os.system {}",
        b"a: !!binary aGk=",
        b"a: !!set {x}",
        b"a: .nan",
        b"a: .inf",
        b"a: 1\n---\nb: 2",
        b"? [a, b]\n: c",
        b"&a [*a]",
        b"a: *missing",
        BOMB.encode(),
        b"[" * 5000,
        b"[" * 500 + b"]" * 500,
        b"a: {" * 500 + b"}" * 500,
        b'a: "\\uD800"',
        b"- " * 3000 + b"a",
        b"[" * 1_000_000,
        b"- " * 1_000_000,
        b"a: " + b"9" * 400,
        b"a: 0x" + b"f" * 400,
        b"a: !!int red",
        b"<<: 5",
    ],
    ids=range(23),
)
def test_yaml_that_is_broken_or_has_no_json_form_is_refused(text: bytes):
    with pytest.raises(BadRequest):
        bodies.from_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":NaN}',
        b"\xff",
        b'{"a":"\xff"}',
        b'{"a":1}x',
        b'"\\ud800"',
        b"[" * 200 + b"]" * 200,
        b'{"a":' * 150 + b"1" + b"}" * 150,
    ],
    ids=range(9),
)
def test_json_that_is_broken_or_too_deep_is_refused(text: bytes):
    with pytest.raises(BadRequest):
        bodies.from_json(text)


def test_json_of_ordinary_depth_and_any_width_is_read():
    wide = b"[" + b",".join([b"{}"] * 10_000) + b"]"
    assert len(bodies.from_json(wide).value) == 10_000


@pytest.mark.parametrize("read", [bodies.from_json, bodies.from_yaml])
def test_repeated_keys_are_found_with_their_paths(read):
    body = read(b'{"a": {"x": 1, "x": 2}, "l": [{"k": 1}, {"k": 1, "k": 1}], "a2": 1, "a2": 2}')
    assert sorted(body.duplicates()) == ["a.x", "a2", "l[1].k"]
    assert body.value["a"] == {"x": 2}
    assert read(b'{"a": {"x": 1}}').duplicates() == []


def test_a_body_may_have_three_mebibytes_and_not_more():
    bodies.check_size(3 * 1024 * 1024)
    with pytest.raises(BodyTooLarge):
        bodies.check_size(3 * 1024 * 1024 + 1)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes):
    for read in (bodies.from_json, bodies.from_yaml, bodies.from_protobuf):
        try:
            read(raw)
        except BadRequest:
            continue
