"""Repository: what the cluster's registry holds under one name."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, ListKey
from schema.meta import Int32, Int64, Object, Time


class RepositorySpec(ApiModel):
    """Which repository of the registry it is."""

    path: str = ""
    """Its name in the registry: namespace/name. Cannot be changed."""
    description: str = ""
    """What it is for, for people."""


class RepositoryTag(ApiModel):
    """A name for an image that may mean another one tomorrow."""

    name: str
    """The tag, such as latest."""
    digest: str = ""
    """What it means now: the digest of a manifest, or of an index of manifests for several platforms."""
    media_type: str = ""
    """Of what the digest is of."""
    size_bytes: Int64 = 0
    """Of its layers and configurations together, as they are stored; what several platforms share counts once."""
    pushed_at: Time | None = None
    """When the tag came to mean this."""
    platforms: list[str] = []
    """Such as linux/amd64."""


class RepositoryStatus(ApiModel):
    """What the registry holds at present."""

    tag_count: Int32 = 0
    """How many tags there are."""
    size_bytes: Int64 = 0
    """Of all that its tags need, as it is stored; shared layers count once."""
    last_pushed: Time | None = None
    """When a tag was pushed last."""
    last_tag: str = ""
    """Which one it was."""
    tags: Annotated[list[RepositoryTag], ListKey("name")] = []
    """The 200 that were pushed last, the newest first. All of them: the subresource tags."""


class Repository(Object):
    """What the cluster's registry holds under one name. It comes with the first push and goes with the last tag, unless it was
    written down before; deleting it deletes all its images from the registry."""

    api_version: str = "slipway.dev/v1"
    kind: str = "Repository"
    spec: RepositorySpec = RepositorySpec()
    """Which repository it is."""
    status: RepositoryStatus = RepositoryStatus()
    """What it holds."""
