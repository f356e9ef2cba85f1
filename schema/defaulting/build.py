"""Build: from the cache, pushed, within an hour, once."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill, fill_zero

TIMEOUT_SECONDS = 3600


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    spec.setdefault("cache", True)
    spec.setdefault("push", True)
    spec.setdefault("timeoutSeconds", TIMEOUT_SECONDS)
    fill_zero(spec, "attempt", 1)
    if not spec.get("dockerfile"):
        fill(spec, "dockerfilePath", "Dockerfile")
