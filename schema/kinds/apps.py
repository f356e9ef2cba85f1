"""The group apps."""

from __future__ import annotations

from schema.apps.controllerrevision import ControllerRevision
from schema.apps.deployment import Deployment
from schema.apps.replicaset import ReplicaSet
from schema.kind import Kind

CONTROLLER_REVISION = Kind(
    group="apps",
    version="v1",
    kind="ControllerRevision",
    plural="controllerrevisions",
    singular="controllerrevision",
    namespaced=True,
    model=ControllerRevision,
)
DEPLOYMENT = Kind(
    group="apps",
    version="v1",
    kind="Deployment",
    plural="deployments",
    singular="deployment",
    namespaced=True,
    model=Deployment,
    short_names=("deploy",),
    categories=("all",),
    subresources=("status", "scale"),
)
REPLICA_SET = Kind(
    group="apps",
    version="v1",
    kind="ReplicaSet",
    plural="replicasets",
    singular="replicaset",
    namespaced=True,
    model=ReplicaSet,
    short_names=("rs",),
    categories=("all",),
    subresources=("status", "scale"),
    selectable_fields=("status.replicas",),
)

ALL: tuple[Kind, ...] = (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    REPLICA_SET,
)
