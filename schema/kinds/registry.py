"""The registry's part of the group slipway.dev."""

from __future__ import annotations

from schema.kind import Kind
from schema.registry.repository import Repository
from schema.registry.trigger import Trigger

REPOSITORY = Kind(
    group="slipway.dev",
    version="v1",
    kind="Repository",
    plural="repositories",
    singular="repository",
    namespaced=True,
    model=Repository,
    short_names=("repo",),
    subresources=("status",),
)
TRIGGER = Kind(
    group="slipway.dev",
    version="v1",
    kind="Trigger",
    plural="triggers",
    singular="trigger",
    namespaced=True,
    model=Trigger,
    subresources=("status",),
)

ALL: tuple[Kind, ...] = (REPOSITORY, TRIGGER)
