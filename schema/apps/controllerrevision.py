"""ControllerRevision: what a StatefulSet or DaemonSet was at one of its revisions."""

from __future__ import annotations

from typing import Any

from schema.meta import Int64, Object


class ControllerRevision(Object):
    """A snapshot of a workload's template, kept so that one can go back to it. Its data cannot be changed."""

    api_version: str = "apps/v1"
    kind: str = "ControllerRevision"
    data: dict[str, Any] | None = None
    """The snapshot: a patch that brings the workload back to it."""
    revision: Int64
    """Which revision this is: the highest is the newest."""
