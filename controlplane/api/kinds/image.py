"""How images are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, since, text
from controlplane.api.kinds.repository import size
from controlplane.images import ancestry
from schema.base import Wire


def _reference(wire: Wire) -> str:
    known = ancestry.references(wire)
    more = f" + {len(known) - 1} more" if len(known) > 1 else ""
    return f"{known[0]}{more}" if known else "<none>"


def _nodes(wire: Wire) -> int:
    sources = (wire.get("status") or {}).get("sources") or ()
    return sum(each["name"].startswith("node/") for each in sources)


def _built(wire: Wire) -> str:
    """Who builds reproducibly leaves the time out, or writes one that cannot be: zero, or zip's, which begins in 1980."""
    created = pick(wire, "status.created")
    return since(created) if isinstance(created, str) and created >= "1980-01-02" else "<none>"


COLUMNS = (
    NAME,
    Column("Image", _reference, description="The first of the names by which somebody knows it."),
    Column("Platform", text("status.platform"), description="What it runs on."),
    Column(
        "Layers", lambda wire: len(pick(wire, "status.layers") or ()), type="integer", description="How many it has."
    ),
    Column("Size", size, description="Of its layers, as registries keep them."),
    Column("Nodes", _nodes, type="integer", description="How many nodes have it."),
    Column("Built", _built, description="How long ago. <none>: it does not tell, as reproducible builds."),
    AGE,
)
