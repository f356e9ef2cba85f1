"""The three ways a client may change an object without sending it whole. Pure: a target and a patch in, a new object out.

* `merge_patch`: JSON merge patch (RFC 7386).
* `json_patch`: JSON patch (RFC 6902), pointers by RFC 6901.
* `strategic_merge`: Kubernetes' strategic merge patch. How a list merges is read from the markers of the kind's type:
  elements with the same merge key are one element, lists of scalars marked as sets are united, every other list is replaced.

None of them changes its arguments. All raise `PatchError`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from schema import shapes
from schema.base import ApiModel, Wire
from schema.kinds import Kind
from schema.shapes import Field, Structure, Table

UNPROCESSABLE = 422
BAD_REQUEST = 400
MAX_OPERATIONS = 10_000
"""As the Kubernetes API server: a JSON patch with more operations is refused."""

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


class PatchError(Exception):
    """``status`` is the HTTP code: 400 for a patch that is none, 422 for one that does not fit the object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# --- JSON merge patch -------------------------------------------------------------------------------------------------


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


# --- JSON patch -------------------------------------------------------------------------------------------------------


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902. All operations or none: the target is untouched, and a failure names the operation."""
    if not isinstance(operations, list):
        raise PatchError(BAD_REQUEST, "a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise PatchError(
            413, f"a JSON patch may have at most {MAX_OPERATIONS} operations, this one has {len(operations)}"
        )
    document = copy.deepcopy(target)
    for number, operation in enumerate(operations):
        try:
            document = _apply(document, operation)
        except PatchError as error:
            raise PatchError(error.status, f"operation {number}: {error.message}") from None
    return document


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict) or not isinstance(operation.get("op"), str):
        raise PatchError(BAD_REQUEST, "each operation is an object with an op")
    name, path = operation["op"], _pointer(operation, "path")
    match name:
        case "add":
            return _add(document, path, copy.deepcopy(_value(operation)))
        case "remove":
            return _remove(document, path)[0]
        case "replace":
            return _replace(document, path, copy.deepcopy(_value(operation)))
        case "move":
            source = _pointer(operation, "from")
            if path[: len(source)] == source and path != source:
                raise PatchError(UNPROCESSABLE, "a value cannot be moved into itself")
            remaining, moved = _remove(document, source)
            return _add(remaining, path, moved)
        case "copy":
            return _add(document, path, copy.deepcopy(_resolve(document, _pointer(operation, "from"))))
        case "test":
            if not _equal(_resolve(document, path), _value(operation)):
                raise PatchError(UNPROCESSABLE, f"the test of {_text(path)!r} failed")
            return document
    raise PatchError(BAD_REQUEST, f"op {name!r} is none of add, remove, replace, move, copy, test")


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError(BAD_REQUEST, f"{operation['op']} needs a value")
    return operation["value"]


def _pointer(operation: dict[str, Any], member: str) -> list[str]:
    text = operation.get(member)
    if not isinstance(text, str):
        raise PatchError(BAD_REQUEST, f"{operation['op']} needs a {member}")
    if text and not text.startswith("/"):
        raise PatchError(BAD_REQUEST, f"{member} {text!r} must be empty or begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _text(path: Sequence[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _missing(path: Sequence[str]) -> PatchError:
    return PatchError(UNPROCESSABLE, f"there is nothing at {_text(path)!r}")


def _index(items: list[Any], part: str, path: Sequence[str], *, end: bool) -> int:
    """``end`` allows the place after the last element, also written ``-``."""
    if end and part == "-":
        return len(items)
    if not (part.isascii() and part.isdigit()) or (len(part) > 1 and part[0] == "0"):
        raise PatchError(UNPROCESSABLE, f"{_text(path)!r}: {part!r} is not an index of a list")
    index = int(part)
    if index > len(items) or (index == len(items) and not end):
        raise _missing(path)
    return index


def _resolve(document: Any, path: Sequence[str]) -> Any:
    here = document
    for part in path:
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list):
            here = here[_index(here, part, path, end=False)]
        else:
            raise _missing(path)
    return here


def _add(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _resolve(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(_index(parent, last, path, end=True), value)
    else:
        raise _missing(path)
    return document


def _remove(document: Any, path: Sequence[str]) -> tuple[Any, Any]:
    """What is left, and what was removed."""
    if not path:
        return None, document
    parent, last = _resolve(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        return document, parent.pop(_index(parent, last, path, end=False))
    if isinstance(parent, dict) and last in parent:
        return document, parent.pop(last)
    raise _missing(path)


def _replace(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    _resolve(document, path)
    parent, last = _resolve(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent[_index(parent, last, path, end=False)] = value
    else:
        parent[last] = value
    return document


def _equal(left: Any, right: Any) -> bool:
    """JSON's equality: Python holds True and 1 for equal, JSON does not."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


# --- strategic merge patch --------------------------------------------------------------------------------------------


def strategic_merge(kind: Kind, target: Wire, patch: Any) -> Wire:
    """Kubernetes' strategic merge patch for objects of this kind."""
    if not isinstance(patch, dict):
        raise PatchError(BAD_REQUEST, "a strategic merge patch is an object")
    return _merge_object(target, patch, kind.model, path="")


def _merge_object(target: Any, patch: dict[str, Any], model: type[ApiModel] | None, *, path: str) -> dict[str, Any]:
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return {name: _without_directives(value) for name, value in patch.items() if not name.startswith("$")}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise PatchError(BAD_REQUEST, f"{path or 'the patch'}: $patch {directive!r} is none of replace, merge, delete")
    merged = dict(target) if isinstance(target, dict) else {}
    _retain(merged, patch, path=path)
    fields = shapes.table(model) if model is not None else {}
    _delete_primitives(merged, patch, path=path)
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        here = f"{path}.{name}" if path else name
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_value(merged.get(name), value, fields.get(name), path=here)
    _set_orders(merged, patch, fields, path=path)
    return merged


def _merge_value(current: Any, value: Any, field: Field | None, *, path: str) -> Any:
    if isinstance(value, dict):
        model = field.model if field is not None and field.structure is Structure.OBJECT else None
        return _merge_object(current if isinstance(current, dict) else {}, value, model, path=path)
    if isinstance(value, list) and field is not None:
        existing = current if isinstance(current, list) else []
        if field.list_key is not None:
            return _merge_by_key(existing, value, field, field.list_key.strategic, path=path)
        if field.list_set:
            return [*existing, *(item for item in _unique(value) if item not in existing)]
    return _without_directives(value)


def _merge_by_key(current: list[Any], patch: list[Any], field: Field, key: str, *, path: str) -> list[Any]:
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" and key not in item for item in patch):
        rest = [item for item in patch if not (isinstance(item, dict) and _DIRECTIVE in item)]
        return [_without_directives(item) for item in rest]
    merged = list(current)
    for item in patch:
        if not isinstance(item, dict):
            raise PatchError(BAD_REQUEST, f"{path}: each element must be an object")
        if key not in item:
            raise PatchError(BAD_REQUEST, f"{path}: each element needs its merge key {key!r}")
        places = [i for i, one in enumerate(merged) if isinstance(one, dict) and one.get(key) == item[key]]
        if item.get(_DIRECTIVE) == "delete":
            merged = [one for i, one in enumerate(merged) if i not in places]
        elif places:
            merged[places[0]] = _merge_object(merged[places[0]], item, field.model, path=f"{path}[{item[key]}]")
        else:
            merged.append(_merge_object({}, item, field.model, path=f"{path}[{item[key]}]"))
    return merged


def _retain(merged: dict[str, Any], patch: dict[str, Any], *, path: str) -> None:
    if _RETAIN not in patch:
        return
    kept = patch[_RETAIN]
    if not isinstance(kept, list) or not all(isinstance(name, str) for name in kept):
        raise PatchError(BAD_REQUEST, f"{path}: {_RETAIN} is a list of names")
    missing = [name for name in patch if not name.startswith("$") and name not in kept]
    if missing:
        raise PatchError(
            BAD_REQUEST, f"{path}: {_RETAIN} must name every field of the patch, {missing[0]!r} is missing"
        )
    for name in [name for name in merged if name not in kept]:
        del merged[name]


def _delete_primitives(merged: dict[str, Any], patch: dict[str, Any], *, path: str) -> None:
    for directive in [name for name in patch if name.startswith(_DELETE_PRIMITIVES)]:
        name, values = directive.removeprefix(_DELETE_PRIMITIVES), patch[directive]
        if not isinstance(values, list):
            raise PatchError(BAD_REQUEST, f"{path}: {directive} is a list")
        if isinstance(merged.get(name), list):
            merged[name] = [item for item in merged[name] if item not in values]


def _set_orders(merged: dict[str, Any], patch: dict[str, Any], fields: Table, *, path: str) -> None:
    for directive in [name for name in patch if name.startswith(_ORDER)]:
        name, order = directive.removeprefix(_ORDER), patch[directive]
        if not isinstance(order, list):
            raise PatchError(BAD_REQUEST, f"{path}: {directive} is a list")
        items = merged.get(name)
        if isinstance(items, list):
            field = fields.get(name)
            key = field.list_key.strategic if field is not None and field.list_key is not None else None
            merged[name] = _ordered(items, order, key)


def _ordered(items: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """Elements the order names come as it says; each other one stays behind the element it stood behind before."""

    def identity(item: Any) -> Any:
        return item.get(key) if key is not None and isinstance(item, dict) else item

    wanted = [item.get(key) if key is not None and isinstance(item, dict) else item for item in order]
    named = sorted((item for item in items if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    result = list(named)
    for place, item in enumerate(items):
        if identity(item) not in wanted:
            before = next((one for one in reversed(items[:place]) if one in result), None)
            result.insert(result.index(before) + 1 if before is not None else 0, item)
    return result


def _unique(items: list[Any]) -> list[Any]:
    return [item for place, item in enumerate(items) if item not in items[:place]]


def _without_directives(value: Any) -> Any:
    """A new value taken from a patch: what it says to the patcher is not part of the object."""
    if isinstance(value, dict):
        return {
            name: _without_directives(inner)
            for name, inner in value.items()
            if inner is not None
            and name not in (_DIRECTIVE, _RETAIN)
            and not name.startswith((_DELETE_PRIMITIVES, _ORDER))
        }
    if isinstance(value, list):
        kept = [item for item in value if not (isinstance(item, dict) and item.get(_DIRECTIVE) == "delete")]
        return [_without_directives(item) for item in kept]
    return value
