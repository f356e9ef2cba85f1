"""Trigger: redeploys, unless it says that it scales."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import fill


def default(wire: Wire) -> None:
    spec = wire.get("spec")
    if isinstance(spec, dict):
        fill(spec, "action", "Redeploy")
