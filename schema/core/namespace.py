"""Namespace: a space of names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.meta import Object, Time

ISOLATION_LABEL = "slipway.dev/isolation"
ISOLATIONS = ("namespace", "none")
"""``namespace``: no connections between its pods and those of other namespaces. ``none``, or no label: as policies say."""


class NamespaceSpec(ApiModel):
    """What a namespace should be."""

    finalizers: list[str] = []
    """Who must still clean up before the namespace may go; kubernetes stands for its objects."""


class NamespaceCondition(ApiModel):
    """One aspect of the namespace's end."""

    type: str
    """NamespaceDeletionDiscoveryFailure, NamespaceContentRemaining, ..."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""


class NamespaceStatus(ApiModel):
    """What is observed of a namespace."""

    phase: Annotated[str, OneOf("Active", "Terminating")] = ""
    """Active or Terminating."""
    conditions: Annotated[list[NamespaceCondition], ListKey("type")] = []
    """What holds up its end."""


class Namespace(Object):
    """A space of names. Deleting it deletes all objects in it."""

    api_version: str = "v1"
    kind: str = "Namespace"
    spec: NamespaceSpec = Field(default_factory=NamespaceSpec)
    """What the namespace should be."""
    status: NamespaceStatus = Field(default_factory=NamespaceStatus)
    """What is observed of it."""
