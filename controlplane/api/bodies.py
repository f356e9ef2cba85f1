"""From the bytes of a request to plain JSON values, whatever the notation. Pure.

Whatever comes out is safe to walk and to write again: no deeper than `MAX_DEPTH`, no larger when written out than
`MAX_NODES` (YAML aliases can make a small text huge), no NaN, no text that UTF-8 cannot hold.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from controlplane.api import protobuf
from controlplane.api.errors import BadRequest, too_large

MAX_BYTES = 3 * 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 1_000_000


@dataclass(frozen=True)
class Body:
    """A parsed body. ``duplicates`` are the paths of keys that came more than once in one object."""

    value: Any
    duplicates: Callable[[], list[str]]


def no_duplicates() -> list[str]:
    return []


def check_size(length: int) -> None:
    if length > MAX_BYTES:
        raise too_large()


def from_json(raw: bytes) -> Body:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not valid JSON: {error}") from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_extent(value)
    return Body(value, lambda: _json_duplicates(raw))


def from_yaml(raw: bytes) -> Body:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequest(f"the body is not valid UTF-8: {error}") from None
    loader = _Loader(text)
    try:
        value = loader.get_single_data()
        _check_extent(value)
    except yaml.YAMLError as error:
        raise BadRequest(f"the body is not valid YAML: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not usable YAML: {error}") from None
    finally:
        loader.dispose()
    _check_text(value)
    repeated = loader.repeated
    return Body(value, lambda: _paths(value, repeated))


def from_protobuf(raw: bytes) -> Body:
    try:
        value = protobuf.decode(raw)
    except protobuf.Malformed as error:
        raise BadRequest(f"the body is not valid protobuf: {error}") from None
    _check_extent(value)
    return Body(value, no_duplicates)


# -- extent and text


def _check_extent(value: Any) -> None:
    _measure(value, MAX_DEPTH, {})


def _measure(value: Any, room: int, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """(nodes when written out, height), each shared part looked at once; refuses what is too deep, cyclic or large."""
    if not isinstance(value, dict | list):
        return 1, 0
    seen = known.get(id(value))
    if seen is None:
        if room <= 0:
            raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
        children = value.values() if isinstance(value, dict) else value
        sizes = [_measure(child, room - 1, known) for child in children]
        seen = 1 + sum(size for size, _ in sizes), 1 + max((height for _, height in sizes), default=0)
        known[id(value)] = seen
    if seen[1] > room:
        raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    if seen[0] > MAX_NODES:
        raise BadRequest(f"the body holds more than {MAX_NODES} values when its aliases are written out")
    return seen


def _check_text(value: Any) -> None:
    for key, child in value.items() if isinstance(value, dict) else ():
        _check_text(key)
        _check_text(child)
    for child in value if isinstance(value, list) else ():
        _check_text(child)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadRequest("text must not contain lone surrogates")


# -- duplicate keys


def _json_duplicates(raw: bytes) -> list[str]:
    repeated: list[tuple[Any, str]] = []

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend((found, name) for name in found if names.count(name) > 1)
        return found

    value = json.loads(raw, object_pairs_hook=hook)
    return _paths(value, repeated)


def _paths(value: Any, repeated: list[tuple[Any, str]]) -> list[str]:
    """Where the repeated keys are, as ``spec.containers[0].name``. Only the last of equal keys is still in the tree."""
    if not repeated:
        return []
    keys: dict[int, list[str]] = {}
    for holder, key in repeated:
        keys.setdefault(id(holder), []).append(key)
    found: list[str] = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            found.extend(f"{path}.{key}".lstrip(".") for key in keys.get(id(node), ()))
            for key, child in node.items():
                walk(child, f"{path}.{key}".lstrip("."))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                walk(child, f"{path}[{index}]")

    walk(value, "")
    return found


# -- YAML as Kubernetes reads it: YAML 1.1 without timestamps and sexagesimals, and nothing that JSON cannot say


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The C parser where the platform has it; remembers repeated keys."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.repeated: list[tuple[Any, str]] = []


_DROPPED = {"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag not in _DROPPED]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+0123456789."),
)


def _construct_int(loader: Any, node: Any) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    if re.fullmatch(r"0[0-7]+", digits):
        digits = "0o" + digits[1:]
    number = sign * int(digits, 0)
    return number if -(2**63) <= number < 2**64 else float(number)


def _construct_float(loader: Any, node: Any) -> float:
    number = float(
        str(loader.construct_scalar(node)).replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
    )
    if not math.isfinite(number):
        raise ValueError("infinities and NaN have no JSON form")
    return number


def _construct_mapping(loader: Any, node: Any) -> Any:
    data: dict[str, Any] = {}
    yield data
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = _key(loader.construct_object(key_node, deep=True))
        if key in data:
            loader.repeated.append((data, key))
        data[key] = loader.construct_object(value_node, deep=True)


def _key(key: Hashable) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise ValueError("keys must be text")


def _refuse(loader: Any, node: Any) -> Any:
    raise ValueError(f"the tag {node.tag} has no JSON form")


_Loader.yaml_constructors = {
    "tag:yaml.org,2002:null": yaml.SafeLoader.construct_yaml_null,
    "tag:yaml.org,2002:bool": yaml.SafeLoader.construct_yaml_bool,
    "tag:yaml.org,2002:str": yaml.SafeLoader.construct_yaml_str,
    "tag:yaml.org,2002:seq": yaml.SafeLoader.construct_yaml_seq,
    "tag:yaml.org,2002:int": _construct_int,
    "tag:yaml.org,2002:float": _construct_float,
    "tag:yaml.org,2002:map": _construct_mapping,
    None: _refuse,
}
