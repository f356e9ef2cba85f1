"""The core group."""

from __future__ import annotations

from schema.core.configmap import ConfigMap
from schema.core.endpoints import Endpoints
from schema.core.event import Event
from schema.core.limitrange import LimitRange
from schema.core.namespace import Namespace
from schema.core.node import Node
from schema.core.persistentvolume import PersistentVolume
from schema.core.persistentvolumeclaim import PersistentVolumeClaim
from schema.core.pod import Pod
from schema.core.replicationcontroller import ReplicationController
from schema.core.resourcequota import ResourceQuota
from schema.core.secret import Secret
from schema.core.service import Service
from schema.core.serviceaccount import ServiceAccount
from schema.kind import ALL_VERBS, Kind

POD = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    namespaced=True,
    model=Pod,
    short_names=("po",),
    categories=("all",),
    subresources=("status", "binding", "ephemeralcontainers", "eviction", "log", "exec", "attach", "portforward"),
    selectable_fields=(
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    delete_returns_object=True,
)
NODE = Kind(
    group="",
    version="v1",
    kind="Node",
    plural="nodes",
    singular="node",
    namespaced=False,
    model=Node,
    short_names=("no",),
    subresources=("status",),
    selectable_fields=("spec.unschedulable",),
)
NAMESPACE = Kind(
    group="",
    version="v1",
    kind="Namespace",
    plural="namespaces",
    singular="namespace",
    namespaced=False,
    model=Namespace,
    short_names=("ns",),
    subresources=("status", "finalize"),
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    selectable_fields=("status.phase",),
)
CONFIG_MAP = Kind(
    group="",
    version="v1",
    kind="ConfigMap",
    plural="configmaps",
    singular="configmap",
    namespaced=True,
    model=ConfigMap,
    short_names=("cm",),
)
SECRET = Kind(
    group="",
    version="v1",
    kind="Secret",
    plural="secrets",
    singular="secret",
    namespaced=True,
    model=Secret,
    selectable_fields=("type",),
)
EVENT = Kind(
    group="",
    version="v1",
    kind="Event",
    plural="events",
    singular="event",
    namespaced=True,
    model=Event,
    short_names=("ev",),
    selectable_fields=(
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    field_aliases=(("source", "source.component"),),
)
SERVICE_ACCOUNT = Kind(
    group="",
    version="v1",
    kind="ServiceAccount",
    plural="serviceaccounts",
    singular="serviceaccount",
    namespaced=True,
    model=ServiceAccount,
    short_names=("sa",),
    delete_returns_object=True,
)
SERVICE = Kind(
    group="",
    version="v1",
    kind="Service",
    plural="services",
    singular="service",
    namespaced=True,
    model=Service,
    short_names=("svc",),
    categories=("all",),
    subresources=("status",),
    selectable_fields=("spec.clusterIP", "spec.type"),
    delete_returns_object=True,
)
ENDPOINTS = Kind(
    group="",
    version="v1",
    kind="Endpoints",
    plural="endpoints",
    singular="endpoints",
    namespaced=True,
    model=Endpoints,
    short_names=("ep",),
)

PERSISTENT_VOLUME = Kind(
    group="",
    version="v1",
    kind="PersistentVolume",
    plural="persistentvolumes",
    singular="persistentvolume",
    namespaced=False,
    model=PersistentVolume,
    short_names=("pv",),
    subresources=("status",),
    delete_returns_object=True,
)
PERSISTENT_VOLUME_CLAIM = Kind(
    group="",
    version="v1",
    kind="PersistentVolumeClaim",
    plural="persistentvolumeclaims",
    singular="persistentvolumeclaim",
    namespaced=True,
    model=PersistentVolumeClaim,
    short_names=("pvc",),
    subresources=("status",),
    delete_returns_object=True,
)
LIMIT_RANGE = Kind(
    group="",
    version="v1",
    kind="LimitRange",
    plural="limitranges",
    singular="limitrange",
    namespaced=True,
    model=LimitRange,
    short_names=("limits",),
)
RESOURCE_QUOTA = Kind(
    group="",
    version="v1",
    kind="ResourceQuota",
    plural="resourcequotas",
    singular="resourcequota",
    namespaced=True,
    model=ResourceQuota,
    short_names=("quota",),
    subresources=("status",),
    delete_returns_object=True,
)
REPLICATION_CONTROLLER = Kind(
    group="",
    version="v1",
    kind="ReplicationController",
    plural="replicationcontrollers",
    singular="replicationcontroller",
    namespaced=True,
    model=ReplicationController,
    short_names=("rc",),
    categories=("all",),
    subresources=("status", "scale"),
    selectable_fields=("status.replicas",),
)

ALL: tuple[Kind, ...] = (
    POD,
    NODE,
    NAMESPACE,
    CONFIG_MAP,
    SECRET,
    EVENT,
    SERVICE_ACCOUNT,
    SERVICE,
    ENDPOINTS,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    LIMIT_RANGE,
    RESOURCE_QUOTA,
    REPLICATION_CONTROLLER,
)
