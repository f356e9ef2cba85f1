"""How endpoints are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from schema.base import Wire

SHOWN = 3


def bounded(items: list[str]) -> str:
    """The first few, and how many more there are."""
    text = ",".join(items[:SHOWN])
    return f"{text} + {len(items) - SHOWN} more..." if len(items) > SHOWN else text or "<none>"


def at(address: str, port: object) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoints(wire: Wire) -> str:
    found: list[str] = []
    for subset in pick(wire, "subsets") or ():
        addresses = [str(each.get("ip")) for each in subset.get("addresses") or ()]
        ports = [port.get("port") for port in subset.get("ports") or ()]
        found += [at(address, port) for port in ports for address in addresses] if ports else addresses
    return bounded(found)


COLUMNS = (NAME, Column("Endpoints", _endpoints, description="The addresses that are ready."), AGE)
