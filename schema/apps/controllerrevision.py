"""ControllerRevision: a template as it was, to go back to."""

from __future__ import annotations

from typing import Any

from schema.meta import Int64, Object


class ControllerRevision(Object):
    """One state of a StatefulSet's or DaemonSet's template. Made by its controller; it does not change."""

    api_version: str = "apps/v1"
    kind: str = "ControllerRevision"
    data: dict[str, Any] | None = None
    """A strategic merge patch that brings the owner back to this state."""
    revision: Int64
    """Its number: the highest is the newest."""
