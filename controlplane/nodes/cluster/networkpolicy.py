"""Network policies: all that they say."""

from __future__ import annotations

from schema.base import Wire


def project(policy: Wire) -> Wire | None:
    return {"spec": policy.get("spec") or {}}
