"""Endpoints and EndpointSlice: a port is TCP unless it says otherwise."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import children, fill


def default(wire: Wire) -> None:
    for subset in children(wire, "subsets"):
        for port in children(subset, "ports"):
            fill(port, "protocol", "TCP")


def default_slice(wire: Wire) -> None:
    for port in children(wire, "ports"):
        port.setdefault("name", "")
        fill(port, "protocol", "TCP")
