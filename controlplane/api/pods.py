"""What may be posted to a pod besides its object: ``binding`` and ``eviction``."""

from __future__ import annotations

from typing import Any

from controlplane.api import deletion, errors
from controlplane.api.bodies import Body
from controlplane.api.query import Query
from controlplane.api.routing import Target
from controlplane.api.writing import Write
from controlplane.store import objects
from controlplane.store.errors import StoreError
from schema.base import Wire
from schema.meta import DeleteOptions
from schema.validation import Cause


def bind(write: Write, body: Body) -> Wire:
    """Put an unplaced pod on a node; answers the Binding itself, which every client can read."""
    binding = _object(body, "Binding")
    node = _node_name(write, binding)
    target = write.target
    if write.options.dry_run:
        objects.get(target.kind, target.namespace, target.name)
    else:
        (bound,) = objects.write_many([objects.Bind(target.namespace, target.name, node)])
        if isinstance(bound, StoreError):
            raise bound
    return {"kind": "Binding", "apiVersion": "v1", **binding}


def _node_name(write: Write, binding: Wire) -> str:
    reference = binding.get("target")
    node = reference.get("name") if isinstance(reference, dict) else None
    if not isinstance(node, str) or not node:
        raise errors.invalid(
            write.kind, write.target.name, [Cause("FieldValueRequired", "Required value", "target.name")]
        )
    return node


def evict(target: Target, parameters: Query, body: Body, *, dry_run: bool) -> Wire:
    """A delete that a disruption budget may refuse."""
    eviction = _object(body, "Eviction")
    given = eviction.get("deleteOptions")
    asked: DeleteOptions = deletion.options(parameters, Body(given, body.duplicates))
    objects.evict(target.namespace, target.name, options=asked, dry_run=dry_run or bool(asked.dry_run))
    return deletion.success({})


def _object(body: Body, kind: str) -> Wire:
    value: Any = body.value
    if not isinstance(value, dict):
        raise errors.BadRequest(f"the body must be a {kind} object")
    if value.get("kind", kind) != kind:
        raise errors.BadRequest(f"the body must be a {kind}, not {value['kind']}")
    return value
