"""The group apps."""

from __future__ import annotations

from schema.apps.controllerrevision import ControllerRevision
from schema.apps.daemonset import DaemonSet
from schema.apps.deployment import Deployment
from schema.apps.replicaset import ReplicaSet
from schema.apps.statefulset import StatefulSet
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
DAEMON_SET = Kind(
    group="apps",
    version="v1",
    kind="DaemonSet",
    plural="daemonsets",
    singular="daemonset",
    namespaced=True,
    model=DaemonSet,
    short_names=("ds",),
    categories=("all",),
    subresources=("status",),
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
STATEFUL_SET = Kind(
    group="apps",
    version="v1",
    kind="StatefulSet",
    plural="statefulsets",
    singular="statefulset",
    namespaced=True,
    model=StatefulSet,
    short_names=("sts",),
    categories=("all",),
    subresources=("status", "scale"),
)

ALL: tuple[Kind, ...] = (
    CONTROLLER_REVISION,
    DAEMON_SET,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
)
