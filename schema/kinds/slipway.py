"""The group slipway.dev: our own."""

from __future__ import annotations

from schema.kind import Kind
from schema.slipway.build import Build

BUILD = Kind(
    group="slipway.dev",
    version="v1",
    kind="Build",
    plural="builds",
    singular="build",
    namespaced=True,
    model=Build,
    subresources=("status", "context", "log"),
    selectable_fields=("status.phase", "status.nodeName"),
)

ALL: tuple[Kind, ...] = (BUILD,)
