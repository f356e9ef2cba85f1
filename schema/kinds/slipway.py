"""The group slipway.dev: our own."""

from __future__ import annotations

from schema.kind import Kind
from schema.slipway.build import Build
from schema.slipway.image import Image
from schema.slipway.repository import Repository
from schema.slipway.trigger import Trigger

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
IMAGE = Kind(
    group="slipway.dev",
    version="v1",
    kind="Image",
    plural="images",
    singular="image",
    namespaced=False,
    model=Image,
    short_names=("img",),
    verbs=("get", "list", "watch"),
)
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

ALL: tuple[Kind, ...] = (BUILD, IMAGE, REPOSITORY, TRIGGER)
