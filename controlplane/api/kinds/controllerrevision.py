"""How revisions are listed: whose, and which."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from schema.base import Wire


def _controller(wire: Wire) -> str:
    owners = pick(wire, "metadata.ownerReferences") or ()
    found = next((owner for owner in owners if owner.get("controller")), None)
    if found is None:
        return "<none>"
    group = found["apiVersion"].rpartition("/")[0]
    return f"{found['kind'].lower()}{'.' if group else ''}{group}/{found['name']}"


COLUMNS = (
    NAME,
    Column("Controller", _controller, description="The workload whose revision it is."),
    Column("Revision", lambda wire: pick(wire, "revision") or 0, type="integer", description="The highest is newest."),
    AGE,
)
