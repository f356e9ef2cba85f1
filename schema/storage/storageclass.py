"""StorageClass: a way of making volumes."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, NotYet, OneOf
from schema.meta import Object

PROVISIONER = "local.slipway.dev"
"""Makes a directory on the node of the first pod that uses the claim."""
NO_PROVISIONER = "kubernetes.io/no-provisioner"
"""Nobody makes volumes of the class: its volumes are made by hand."""
IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
"""Annotation: claims that name no class get this one."""
FIRST_CONSUMER = "WaitForFirstConsumer"


class TopologySelectorLabelRequirement(ApiModel):
    """One label and its allowed values."""

    key: str
    """The label."""
    values: list[str]
    """What it may be."""


class TopologySelectorTerm(ApiModel):
    """Labels that a node must have."""

    match_label_expressions: list[TopologySelectorLabelRequirement] = []
    """All must hold."""


class StorageClass(Object):
    """How volumes of a class are made, and what becomes of them. A claim names its class."""

    api_version: str = "storage.k8s.io/v1"
    kind: str = "StorageClass"
    provisioner: str
    """Who makes volumes: local.slipway.dev (a directory on the node), or kubernetes.io/no-provisioner."""
    parameters: Annotated[dict[str, str], NotYet("the provisioner local.slipway.dev has no parameters")] = {}
    """Wishes for the provisioner."""
    reclaim_policy: Annotated[str | None, OneOf("Delete", "Retain")] = None
    """What becomes of a volume whose claim is deleted: Delete (the default) or Retain."""
    mount_options: Annotated[list[str], NotYet("a directory is not mounted with options")] = []
    """Options to mount the volumes with."""
    allow_volume_expansion: bool | None = None
    """Whether a claim may ask for more later."""
    volume_binding_mode: Annotated[str | None, OneOf("Immediate", "WaitForFirstConsumer")] = None
    """Immediate, or WaitForFirstConsumer: only when a pod that uses the claim has been placed."""
    allowed_topologies: Annotated[
        list[TopologySelectorTerm], NotYet("the pod's own wishes decide where its volume is")
    ] = []
    """Where volumes may be made."""
