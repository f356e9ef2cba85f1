"""Image: what an image consists of, as nodes and the cluster's registry have it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, ListSet
from schema.meta import Int64, Object, Time


class ImageConfig(ApiModel):
    """What a container of the image is started with, unless its pod says otherwise."""

    entrypoint: list[str] = []
    """The program."""
    cmd: list[str] = []
    """Its arguments, or the program where there is no entrypoint."""
    env: list[str] = []
    """Variables, as NAME=value."""
    working_dir: str = ""
    """The directory it starts in."""
    user: str = ""
    """The user it runs as; empty: root."""
    exposed_ports: list[str] = []
    """Ports that it means to listen on, such as 6379/tcp."""
    volumes: list[str] = []
    """Directories that hold its data."""
    labels: dict[str, str] = {}
    """What its maker says of it."""
    stop_signal: str = ""
    """What it wants to be ended by."""


class ImageLayer(ApiModel):
    """One layer, the lowest first."""

    diff_id: Annotated[str, Field(alias="diffID")] = ""
    """The digest of what is in it, uncompressed: the same in every image that shares it."""
    digest: str = ""
    """The digest of the blob that registries keep; empty where the image did not come from one."""
    size_bytes: Int64 = 0
    """Of the blob; 0 where it is not known."""
    instruction: str = ""
    """What made it, as its builder wrote it down."""
    created: Time | None = None
    """When."""


class ImageStep(ApiModel):
    """One instruction of the image's history."""

    instruction: str = ""
    """As its builder wrote it down."""
    created: Time | None = None
    """When it ran."""
    diff_id: Annotated[str, Field(alias="diffID")] = ""
    """The layer that it made; empty for one that only set something."""


class ImageSource(ApiModel):
    """Somebody who has the image."""

    name: str
    """node/<name> or repository/<namespace>/<name>."""
    references: Annotated[list[str], ListSet()] = []
    """The names by which the image is known there."""
    digests: Annotated[list[str], ListSet()] = []
    """The digests of manifests that lead to it there, as repository@sha256:…."""


class ImageStatus(ApiModel):
    """What is known of the image."""

    image_id: Annotated[str, Field(alias="imageID")] = ""
    """The digest of its configuration, which tells it from every other image."""
    platform: str = ""
    """Such as linux/amd64."""
    created: Time | None = None
    """When it was built."""
    author: str = ""
    """Who says to have made it."""
    size_bytes: Int64 = 0
    """Of its layers as registries keep them, where that is known."""
    config: ImageConfig = ImageConfig()
    """What containers of it are started with."""
    layers: list[ImageLayer] = []
    """What it consists of, the lowest first."""
    history: list[ImageStep] = []
    """How it came to be, the oldest first."""
    sources: Annotated[list[ImageSource], ListKey("name")] = []
    """Who has it. Without any, the object goes."""


class Image(Object):
    """What an image consists of. Made by the nodes that have pulled it and by the cluster's registry; nobody writes it by hand.
    Its name is its id without the algorithm."""

    api_version: str = "slipway.dev/v1"
    kind: str = "Image"
    status: ImageStatus = ImageStatus()
    """What is known of it."""
