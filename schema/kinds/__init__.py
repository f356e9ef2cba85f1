"""The kinds that the API serves, a module for each group. Everything generic reads this table."""

from __future__ import annotations

from schema.kind import ALL_VERBS, Kind, Version
from schema.kinds import (
    apiextensions,
    apps,
    autoscaling,
    batch,
    coordination,
    core,
    discovery,
    metrics,
    networking,
    policy,
    scheduling,
    slipway,
    storage,
)
from schema.kinds.apiextensions import CUSTOM_RESOURCE_DEFINITION
from schema.kinds.apps import CONTROLLER_REVISION, DAEMON_SET, DEPLOYMENT, REPLICA_SET, STATEFUL_SET
from schema.kinds.autoscaling import HORIZONTAL_POD_AUTOSCALER
from schema.kinds.batch import CRON_JOB, JOB
from schema.kinds.coordination import LEASE
from schema.kinds.core import (
    CONFIG_MAP,
    ENDPOINTS,
    EVENT,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    REPLICATION_CONTROLLER,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
)
from schema.kinds.discovery import ENDPOINT_SLICE
from schema.kinds.metrics import NODE_METRICS, POD_METRICS
from schema.kinds.networking import INGRESS, INGRESS_CLASS, NETWORK_POLICY
from schema.kinds.policy import POD_DISRUPTION_BUDGET
from schema.kinds.scheduling import PRIORITY_CLASS
from schema.kinds.slipway import BUILD, IMAGE, REPOSITORY, TRIGGER
from schema.kinds.storage import STORAGE_CLASS

__all__ = [
    "ALL",
    "ALL_VERBS",
    "BUILD",
    "CONFIG_MAP",
    "CONTROLLER_REVISION",
    "CRON_JOB",
    "CUSTOM_RESOURCE_DEFINITION",
    "DAEMON_SET",
    "DEPLOYMENT",
    "DERIVED",
    "ENDPOINTS",
    "ENDPOINT_SLICE",
    "EVENT",
    "HORIZONTAL_POD_AUTOSCALER",
    "IMAGE",
    "INGRESS",
    "INGRESS_CLASS",
    "JOB",
    "LEASE",
    "LIMIT_RANGE",
    "NAMESPACE",
    "NETWORK_POLICY",
    "NODE",
    "NODE_METRICS",
    "PERSISTENT_VOLUME",
    "PERSISTENT_VOLUME_CLAIM",
    "POD",
    "POD_DISRUPTION_BUDGET",
    "POD_METRICS",
    "PRIORITY_CLASS",
    "REPLICATION_CONTROLLER",
    "REPLICA_SET",
    "REPOSITORY",
    "RESOURCE_QUOTA",
    "SECRET",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "STATEFUL_SET",
    "STORAGE_CLASS",
    "TRIGGER",
    "Kind",
    "Version",
    "by_kind",
    "by_plural",
    "version",
]

ALL: tuple[Kind, ...] = (
    *core.ALL,
    *autoscaling.ALL,
    *batch.ALL,
    *apps.ALL,
    *coordination.ALL,
    *discovery.ALL,
    *policy.ALL,
    *networking.ALL,
    *scheduling.ALL,
    *storage.ALL,
    *slipway.ALL,
    *apiextensions.ALL,
)

DERIVED: tuple[Kind, ...] = metrics.DERIVED
"""Served by views of their own, worked out when asked for, stored nowhere. All that is generic knows only `ALL`."""

VERSIONS: tuple[Version, ...] = autoscaling.VERSIONS
"""Of kinds in `ALL`, further versions in which they are served."""

_BY_KIND = {
    **{(each.kind.api_version, each.kind.kind): each.stored for each in VERSIONS},
    **{(kind.api_version, kind.kind): kind for kind in ALL},
}
_BY_VERSION = {(each.kind.group, each.kind.version, each.kind.plural): each for each in VERSIONS}
_BY_PLURAL = {(kind.group, kind.version, kind.plural): kind for kind in ALL}


def by_kind(api_version: str, kind: str) -> Kind | None:
    """``by_kind("v1", "Pod")``, of whatever version it is served in; None for a kind that is not served."""
    return _BY_KIND.get((api_version, kind))


def version(group: str, version: str, plural: str) -> Version | None:
    """``version("autoscaling", "v1", "horizontalpodautoscalers")``; None for what is served as it is stored, or not at all."""
    return _BY_VERSION.get((group, version, plural))


def by_plural(group: str, version: str, plural: str) -> Kind | None:
    """``by_plural("", "v1", "pods")``; None for a resource that is not served."""
    return _BY_PLURAL.get((group, version, plural))
