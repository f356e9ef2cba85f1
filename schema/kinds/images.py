"""What is known of images, in the group slipway.dev."""

from __future__ import annotations

from schema.kind import Kind
from schema.slipway.image import Image

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

ALL: tuple[Kind, ...] = (IMAGE,)
