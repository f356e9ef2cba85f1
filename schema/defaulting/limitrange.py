"""LimitRange: what follows for containers from the bounds that are given."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, children


def default(wire: Wire) -> None:
    for item in children(child(wire, "spec") or {}, "limits"):
        if item.get("type") == "Container":
            _default_item(item)


def _default_item(item: Wire) -> None:
    """A limit is the most there may be, a request is the limit or else the least there must be."""
    for name, sources in (("default", ("max",)), ("defaultRequest", ("default", "min"))):
        amounts = dict(child(item, name) or {})
        for source in sources:
            amounts = {**(child(item, source) or {}), **amounts}
        if amounts:
            item[name] = amounts
