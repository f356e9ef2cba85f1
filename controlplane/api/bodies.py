"""From the bytes of a request to plain JSON values, whatever the notation. Pure.

Whatever comes out is safe to walk and to write again: bounded in depth and, where YAML's aliases can make a small text
huge, in size when written out; no NaN, no text that UTF-8 cannot hold.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from controlplane.api import protobuf, yaml_values
from controlplane.api.errors import BadRequest, too_large

MAX_BYTES = 3 * 1024 * 1024
MAX_DEPTH = yaml_values.MAX_DEPTH


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
    try:
        document = yaml_values.read(text)
    except (yaml_values.Refused, OverflowError, ValueError) as error:
        raise BadRequest(f"the body is not usable YAML: {error}") from None
    return Body(document.value, lambda: _paths(document.value, document.repeated))


def from_protobuf(raw: bytes) -> Body:
    try:
        value = protobuf.decode(raw)
    except protobuf.Malformed as error:
        raise BadRequest(f"the body is not valid protobuf: {error}") from None
    _check_extent(value)
    return Body(value, no_duplicates)


# -- extent


def _check_extent(value: Any, room: int = MAX_DEPTH) -> None:
    if room <= 0 and isinstance(value, dict | list):
        raise BadRequest(f"the body is nested deeper than {MAX_DEPTH} levels")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(child, dict | list):
            _check_extent(child, room - 1)


# -- duplicate keys


def _json_duplicates(raw: bytes) -> list[str]:
    repeated: list[tuple[Any, str]] = []

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            counted = Counter(name for name, _ in pairs)
            repeated.extend((found, name) for name, times in counted.items() if times > 1)
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
