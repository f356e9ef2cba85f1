"""Whatever is sent for whatever kind: an answer below 500. What is sent is a good example, spoilt in one to three places, or
built from nothing by the schema; what comes into the places is of every type, size and alphabet."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schema import kinds, shapes
from schema.base import ApiModel, Wire
from schema.kinds import Kind
from schema.shapes import Field, Structure
from tests.api.client import JSON_PATCH, MERGE, STRATEGIC, Api

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WRITABLE = [kind for kind in kinds.ALL if "create" in kind.verbs]
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXTS = [
    "", " ", "a", "-", "a" * 300, "a" * 5000, "\0", "a\0b", "\n", "\u202e", "é", "\U0001d518", "\uffff", "/", "..",
    "../../etc/passwd", "%s", "{}", "$(X)", "a,b", "a=b", "*", "0", "-1", "1e999", "1e9", "99999999999999999999", "100%", "-5%",
    "1.5", "10m", "1Ki", "1Ei", "9E", "NaN", "true", "null", "None", "1.2.3.4", "300.1.1.1", "::1", "fe80::1%eth0",
    "10.0.0.0/8", "10.0.0.1/33", "::/0", "0.0.0.0/0", "redis", "Redis:latest", "a/b/c:d@sha256:0", "sha256:" + "0" * 64,
    "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "* * * * *", "61 * * * *",
    "*/0 * * * *", "0 0 31 2 *", "Europe/Berlin", "Mars/Base", "app", "http", "https://x", "TCP", "Always", "65536", "=" * 50,
    "YQ==", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "((((((((((a+)+)+)+)+)+)", "kubernetes.io/tls",
]  # fmt: skip
NUMBERS = [
    0,
    1,
    -1,
    2,
    80,
    65535,
    65536,
    2**31 - 1,
    2**31,
    -(2**31),
    2**63 - 1,
    -(2**63),
    2**64 - 1,
    1e300,
    -1e-300,
    0.5,
    1e19,
]
LEAVES = st.sampled_from([None, True, False, *NUMBERS, *TEXTS]) | st.text(max_size=6)
POISON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEXTS), inner, max_size=3),
    max_leaves=5,
)
NESTED: Any = 0
for _ in range(90):
    NESTED = [NESTED]
POISONS = POISON | st.just(NESTED) | st.just([1] * 2000) | st.just({str(number): number for number in range(2000)})


def examples() -> Iterator[Wire]:
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            kind = kinds.by_kind(document["apiVersion"], document["kind"])
            if kind is not None and "create" in kind.verbs:
                yield document


GOOD = list(examples())


def kind_of(wire: Wire) -> Kind:
    kind = kinds.by_kind(wire["apiVersion"], wire["kind"])
    assert kind is not None
    return kind


def path_of(kind: Kind) -> str:
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{base}/namespaces/default/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"


def places(wire: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = wire.items() if isinstance(wire, dict) else enumerate(wire) if isinstance(wire, list) else ()
    for key, value in items:
        if at or key not in ("apiVersion", "kind"):
            yield (*at, key)
            yield from places(value, (*at, key))


@st.composite
def spoilt(draw: st.DrawFn, wire: Wire) -> Wire:
    """A copy with one to three places replaced, removed, doubled, or with a neighbour that nobody knows."""
    wire = copy.deepcopy(wire)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(wire))
        if not found:
            break
        *way, last = draw(st.sampled_from(found))
        holder: Any = wire
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(["replace", "replace", "replace", "remove", "neighbour"])):
            case "replace":
                holder[last] = copy.deepcopy(draw(POISONS))
            case "remove":
                del holder[last]
            case "neighbour" if isinstance(holder, list):
                holder.append(copy.deepcopy(draw(st.just(holder[last]) | POISONS)))
            case "neighbour":
                holder[draw(st.sampled_from(TEXTS))] = copy.deepcopy(draw(POISONS))
    return wire


def scalar_of(field: Field) -> st.SearchStrategy[Any]:
    words = st.sampled_from(sorted(field.one_of)) if field.one_of else st.sampled_from(TEXTS)
    chosen: list[st.SearchStrategy[Any]] = []
    for scalar in field.scalars:
        chosen.append(words if scalar is str else st.booleans() if scalar is bool else st.sampled_from(NUMBERS[:12]))
    return st.one_of(*chosen) if chosen else LEAVES


@st.composite
def built(draw: st.DrawFn, model: type[ApiModel], room: int = 5) -> Wire:
    """An object of some of the fields that the schema knows, mostly of the right type."""
    made: Wire = {}
    for name, field in shapes.table(model).items():
        if not draw(st.integers(0, 9)) < (9 if field.required else 3):
            continue
        made[name] = draw(POISONS) if draw(st.integers(0, 19)) == 0 else draw(value_of(field, room))
    return made


def value_of(field: Field, room: int) -> st.SearchStrategy[Any]:
    inner = built(field.model, room - 1) if field.model is not None and room else scalar_of(field)
    match field.structure:
        case Structure.LIST:
            return st.lists(inner, max_size=2)
        case Structure.MAP:
            return st.dictionaries(st.sampled_from(TEXTS), inner, max_size=2)
        case Structure.OBJECT:
            return inner
        case Structure.ANY:
            return POISONS
    return scalar_of(field)


@MANY
@given(data=st.data())
def test_no_spoilt_example_makes_the_server_fail(api: Api, data: st.DataObject) -> None:
    wire = data.draw(st.sampled_from(GOOD).flatmap(spoilt))
    good = next(each for each in GOOD if (each["apiVersion"], each["kind"]) == (wire["apiVersion"], wire["kind"]))
    code, answer = api.post(f"{path_of(kind_of(good))}?dryRun=All", wire)
    assert code < 500, answer


@MANY
@given(data=st.data())
def test_no_object_of_the_schema_makes_the_server_fail(api: Api, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(WRITABLE))
    wire = data.draw(built(kind.model)) | {"apiVersion": kind.api_version, "kind": kind.kind}
    if isinstance(wire.get("metadata"), dict):
        wire["metadata"] = {"name": "x", **wire["metadata"]} if data.draw(st.booleans()) else {"name": "x"}
    code, answer = api.post(f"{path_of(kind)}?dryRun=All", wire)
    assert code < 500, answer


@MANY
@given(data=st.data())
def test_no_change_makes_the_server_fail(api: Api, data: st.DataObject) -> None:
    """Of an object that is there: a PUT and patches of each form, of the whole and of its status."""
    good = data.draw(st.sampled_from(GOOD))
    kind = kind_of(good)
    wire = {**good, "metadata": {**good["metadata"], "name": "x"}}
    wire["metadata"].pop("namespace", None)
    api.post(path_of(kind), wire)
    code, stored = api.get(f"{path_of(kind)}/x")
    if code != 200:
        return
    bad = data.draw(spoilt(stored))
    media = data.draw(st.sampled_from(["", MERGE, STRATEGIC, JSON_PATCH]))
    part = data.draw(st.sampled_from(["", "", "/status", "/scale"]))
    path = f"{path_of(kind)}/x{part}?dryRun=All"
    if media == JSON_PATCH:
        way = data.draw(st.sampled_from(list(places(stored))))
        pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in way)
        op = data.draw(st.sampled_from(["add", "replace", "remove", "test", "move", "copy"]))
        code, answer = api.patch(
            path, [{"op": op, "path": pointer, "from": pointer, "value": data.draw(POISONS)}], media=media
        )
    elif media:
        code, answer = api.patch(path, bad, media=media)
    else:
        code, answer = api.put(path, bad)
    assert code < 500, answer


@MANY
@given(
    name=st.sampled_from(TEXTS) | st.text(max_size=8),
    kind=st.sampled_from(kinds.ALL),
    query=st.sampled_from(TEXTS) | st.text(max_size=8),
)
def test_no_path_makes_the_server_fail(api: Api, name: str, kind: Kind, query: str) -> None:
    if any(0xD800 <= ord(letter) < 0xE000 for letter in name + query):
        return
    place = f"{path_of(kind)}/{quote(name, safe='')}"
    for path in (
        place,
        f"{place}/{quote(name, safe='')}",
        f"{path_of(kind)}?labelSelector={quote(query)}&fieldSelector={quote(query)}&continue={quote(query)}",
    ):
        code, answer = api.get(path)
        assert code < 500, (path, answer)
