"""JSON patch (RFC 6902) with JSON pointers (RFC 6901)."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from controlplane.api.patches.errors import deep_nesting_refused, malformed, unfit

OPERATIONS_LIMIT = 10_000
COPIED_LIMIT = 3 * 1024 * 1024
"""Characters that all copy operations of a patch may copy: twenty of them, each of the whole, would make a million."""
_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_ESCAPE = re.compile(r"~(?![01])")
_MISSING = object()


@deep_nesting_refused()
def json_patch(target: Any, operations: Any) -> Any:
    """All operations in order, or a PatchError and nothing at all."""
    if not isinstance(operations, list):
        raise malformed("a JSON patch is a list of operations")
    if len(operations) > OPERATIONS_LIMIT:
        raise malformed(f"a JSON patch may have at most {OPERATIONS_LIMIT} operations, this one has {len(operations)}")
    document = copy.deepcopy(target)
    copied = 0
    for position, operation in enumerate(operations):
        where = f"operation {position}"
        copied += _copied(document, operation, where)
        if copied > COPIED_LIMIT:
            raise unfit(f"{where}: the patch copies more than {COPIED_LIMIT} bytes in all")
        document = _apply(document, operation, where)
    return document


def _copied(document: Any, operation: Any, where: str) -> int:
    if not isinstance(operation, dict) or operation.get("op") != "copy":
        return 0
    return _size(_get(document, _pointer(operation, "from", where), where))


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 2 + sum(len(name) + 4 + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return 2 + sum(1 + _size(each) for each in value)
    return len(value) + 2 if isinstance(value, str) else 8


def _apply(document: Any, operation: Any, where: str) -> Any:
    if not isinstance(operation, dict):
        raise malformed(f"{where} of the patch must be an object")
    name = operation.get("op")
    work = _OPERATIONS.get(name) if isinstance(name, str) else None
    if work is None:
        raise malformed(f"{where}: op must be one of {', '.join(_OPERATIONS)}, not {name!r}")
    return work(document, operation, f"{where} ({name})")


def _add(document: Any, operation: dict[str, Any], where: str) -> Any:
    return _insert(document, _pointer(operation, "path", where), _value(operation, where), where)


def _remove(document: Any, operation: dict[str, Any], where: str) -> Any:
    return _take(document, _pointer(operation, "path", where), where)[0]


def _replace(document: Any, operation: dict[str, Any], where: str) -> Any:
    path, value = _pointer(operation, "path", where), _value(operation, where)
    if not path:
        return value
    parent, step = _parent(document, path, where)
    if isinstance(parent, list):
        parent[_position(parent, step, path, where)] = value
    else:
        _existing(parent, step, path, where)
        parent[step] = value
    return document


def _move(document: Any, operation: dict[str, Any], where: str) -> Any:
    source, path = _pointer(operation, "from", where), _pointer(operation, "path", where)
    if path[: len(source)] == source and path != source:
        raise unfit(f"{where}: cannot move {_text(source)} into itself")
    document, value = _take(document, source, where)
    return _insert(document, path, value, where)


def _copy(document: Any, operation: dict[str, Any], where: str) -> Any:
    source = _pointer(operation, "from", where)
    value = copy.deepcopy(_get(document, source, where))
    return _insert(document, _pointer(operation, "path", where), value, where)


def _test(document: Any, operation: dict[str, Any], where: str) -> Any:
    path, expected = _pointer(operation, "path", where), _value(operation, where)
    if not _same(_get(document, path, where), expected):
        raise unfit(f"{where}: the value at {_text(path)} is not the expected one")
    return document


_OPERATIONS: dict[str, Callable[[Any, dict[str, Any], str], Any]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _pointer(operation: dict[str, Any], member: str, where: str) -> list[str]:
    text = operation.get(member)
    if not isinstance(text, str):
        raise malformed(f"{where}: {member} must be a JSON pointer such as /metadata/labels/app")
    if text == "":
        return []
    if not text.startswith("/"):
        raise malformed(f"{where}: {member} {text!r} must begin with /")
    if _ESCAPE.search(text):
        raise malformed(f"{where}: in {member} {text!r} a ~ must be followed by 0 or 1")
    return [step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/")]


def _value(operation: dict[str, Any], where: str) -> Any:
    if "value" not in operation:
        raise malformed(f"{where}: value is missing")
    return copy.deepcopy(operation["value"])


def _text(path: list[str]) -> str:
    return "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in path) if path else "the root"


def _get(document: Any, path: list[str], where: str) -> Any:
    for depth, step in enumerate(path):
        document = _existing(document, step, path[: depth + 1], where)
    return document


def _existing(parent: Any, step: str, path: list[str], where: str) -> Any:
    if isinstance(parent, list):
        return parent[_position(parent, step, path, where)]
    found = parent.get(step, _MISSING) if isinstance(parent, dict) else _MISSING
    if found is _MISSING:
        raise unfit(f"{where}: there is nothing at {_text(path)}")
    return found


def _position(parent: list[Any], step: str, path: list[str], where: str, *, end: int = 0) -> int:
    """An index into the list; ``end`` 1 also allows the place behind its last element."""
    if not _INDEX.fullmatch(step):
        raise unfit(f"{where}: {step!r} in {_text(path)} is not an index of a list")
    if len(step) > 9 or int(step) >= len(parent) + end:
        raise unfit(f"{where}: index {step} in {_text(path)} is out of bounds, the list has {len(parent)} elements")
    return int(step)


def _parent(document: Any, path: list[str], where: str) -> tuple[Any, str]:
    parent = _get(document, path[:-1], where)
    if not isinstance(parent, dict | list):
        raise unfit(f"{where}: {_text(path[:-1])} is neither an object nor a list")
    return parent, path[-1]


def _insert(document: Any, path: list[str], value: Any, where: str) -> Any:
    if not path:
        return value
    parent, step = _parent(document, path, where)
    if isinstance(parent, dict):
        parent[step] = value
    elif step == "-":
        parent.append(value)
    else:
        parent.insert(_position(parent, step, path, where, end=1), value)
    return document


def _take(document: Any, path: list[str], where: str) -> tuple[Any, Any]:
    """The document without what was at ``path``, and that."""
    if not path:
        return None, document
    parent, step = _parent(document, path, where)
    value = _existing(parent, step, path, where)
    del parent[int(step) if isinstance(parent, list) else step]
    return document, value


def _same(one: Any, other: Any) -> bool:
    """JSON equality: true is not 1, and 1 is 1.0."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
