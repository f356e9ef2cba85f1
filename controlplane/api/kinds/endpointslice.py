"""How endpoint slices are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from controlplane.api.kinds.endpoints import bounded
from schema.base import Wire


def _ports(wire: Wire) -> str:
    ports = pick(wire, "ports") or ()
    return bounded([str(port.get("port", "*")) for port in ports]) if ports else "<unset>"


def _endpoints(wire: Wire) -> str:
    found = [address for each in pick(wire, "endpoints") or () for address in each.get("addresses") or ()]
    return bounded(found) if found else "<unset>"


COLUMNS = (
    NAME,
    Column("AddressType", text("addressType")),
    Column("Ports", _ports),
    Column("Endpoints", _endpoints),
    AGE,
)
