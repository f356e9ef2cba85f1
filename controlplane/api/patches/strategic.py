"""Kubernetes' strategic merge patch.

Like a merge patch, but lists of objects whose type has a merge key are merged element by element, and directives
inside the patch say more:

* ``$patch: replace | delete | merge`` in an object: take the patch as it is, empty the object (in a list of objects:
  remove the element), merge (the default). One ``$patch: replace`` in a list replaces the whole list;
* ``$deleteFromPrimitiveList/<field>``: scalars to remove from a set;
* ``$setElementOrder/<field>``: the order in which elements of a merged list shall stand;
* ``$retainKeys``: of this object keep only these fields.
"""

from __future__ import annotations

import copy
from typing import Any

from controlplane.api.patches.errors import deep_nesting_refused, malformed
from controlplane.api.patches.ordering import in_order
from schema import shapes
from schema.base import ApiModel, Wire
from schema.kinds import Kind
from schema.shapes import Field, Structure

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
SET_ORDER = "$setElementOrder"

Type = type[ApiModel] | None


@deep_nesting_refused()
def strategic_merge(kind: Kind, target: Wire, patch: Any) -> Wire:
    """``target`` with ``patch`` applied, along the types of ``kind``. Raises `PatchError`."""
    if not isinstance(patch, dict):
        raise malformed("a strategic merge patch must be an object")
    return _merge_object(kind.model, target, patch, "")


def _merge_object(model: Type, target: Any, patch: Wire, path: str) -> Wire:
    directive = patch.get(PATCH, "merge")
    if directive == "delete":
        return {}  # of a list element the caller removes it instead
    if directive == "replace":
        return _merge_object(model, {}, {name: value for name, value in patch.items() if name != PATCH}, path)
    if directive != "merge":
        raise malformed(f"unknown patch type {directive!r} at {path or 'the root'}: use merge, replace or delete")
    result = copy.copy(target) if isinstance(target, dict) else {}
    _retain(result, patch, path)
    table = shapes.table(model) if model is not None else {}
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(table.get(name), result, patch, name, value, path)
    _apply_list_directives(table, result, patch, path)
    return result


def _retain(result: Wire, patch: Wire, path: str) -> None:
    retained = patch.get(RETAIN_KEYS)
    if retained is None:
        return
    if not isinstance(retained, list) or not all(isinstance(name, str) for name in retained):
        raise malformed(f"{RETAIN_KEYS} at {path or 'the root'} must be a list of field names")
    lost = [name for name, value in patch.items() if not name.startswith("$") and value is not None]
    if not set(lost) <= set(retained):
        raise malformed(f"{RETAIN_KEYS} at {path or 'the root'} must contain every field that the patch sets")
    for name in [name for name in result if name not in retained]:
        del result[name]


def _merge_field(field: Field | None, result: Wire, patch: Wire, name: str, value: Any, path: str) -> None:
    here = f"{path}.{name}" if path else name
    if value is None:
        result.pop(name, None)
        return
    if isinstance(value, dict):
        model = field.model if field is not None and field.structure is Structure.OBJECT else None
        result[name] = _merge_object(model, result.get(name), value, here)
    elif isinstance(value, list):
        result[name] = _merge_list(field, result.get(name), value, patch.get(f"{SET_ORDER}/{name}"), here)
    else:
        result[name] = copy.deepcopy(value)


def _merge_list(field: Field | None, target: Any, patch: list[Any], order: Any, path: str) -> list[Any]:
    present = target if isinstance(target, list) else []
    if field is not None and field.list_key is not None:
        return _merge_keyed(field, field.list_key.strategic, present, patch, order, path)
    if field is not None and field.list_set:
        merged = [*present, *(each for each in patch if each not in present)]
        return list(merged) if order is None else in_order(merged, patch, _list(order, path), lambda each: each)
    return copy.deepcopy(patch)


def _merge_keyed(field: Field, key: str, present: list[Any], patch: list[Any], order: Any, path: str) -> list[Any]:
    items = [_element(each, path) for each in patch]
    if any(item.get(PATCH) == "replace" for item in items):
        return [_merge_object(field.model, {}, item, path) for item in items if PATCH not in item]
    merged = list(present)
    for item in items:
        _merge_item(field, key, merged, item, path)
    if order is None:
        return merged
    keys = [each.get(key) if isinstance(each, dict) else each for each in _list(order, path)]
    return in_order(merged, items, keys, lambda each: each.get(key) if isinstance(each, dict) else None)


def _merge_item(field: Field, key: str, merged: list[Any], item: Wire, path: str) -> None:
    if key not in item:
        raise malformed(f"map does not contain declared merge key: {key}, in an element of {path}")
    found = [i for i, each in enumerate(merged) if isinstance(each, dict) and each.get(key) == item[key]]
    if item.get(PATCH) == "delete":
        merged[:] = [each for i, each in enumerate(merged) if i not in found]
        return
    here = f"{path}[{key}={item[key]}]"
    if found:
        merged[found[0]] = _merge_object(field.model, merged[found[0]], item, here)
    else:
        merged.append(_merge_object(field.model, {}, item, here))


def _apply_list_directives(table: shapes.Table, result: Wire, patch: Wire, path: str) -> None:
    """What stands beside the lists it is about: scalars to delete, and an order for lists the patch does not name."""
    for directive, value in patch.items():
        prefix, _, name = directive.partition("/")
        if not directive.startswith("$") or directive in (PATCH, RETAIN_KEYS):
            continue
        if prefix == DELETE_FROM and name:
            unwanted = _list(value, path)
            if isinstance(result.get(name), list):
                result[name] = [each for each in result[name] if each not in unwanted]
        elif prefix == SET_ORDER and name:
            if name not in patch and isinstance(result.get(name), list):
                result[name] = _ordered(table.get(name), result[name], _list(value, path))
        else:
            raise malformed(f"unknown directive {directive!r} at {path or 'the root'}")


def _ordered(field: Field | None, items: list[Any], order: list[Any]) -> list[Any]:
    if field is None or not (field.list_key or field.list_set):
        return items
    if field.list_key is None:
        return in_order(items, [], order, lambda each: each)
    key = field.list_key.strategic
    keys = [each.get(key) if isinstance(each, dict) else each for each in order]
    return in_order(items, [], keys, lambda each: each.get(key) if isinstance(each, dict) else None)


def _element(value: Any, path: str) -> Wire:
    if not isinstance(value, dict):
        raise malformed(f"the elements of {path} must be objects")
    return value


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise malformed(f"the directives about lists at {path or 'the root'} must be lists")
    return value
