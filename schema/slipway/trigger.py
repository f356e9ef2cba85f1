"""Trigger: an address that redeploys or scales one workload when something is sent there."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, OneOf
from schema.meta import Int64, Natural32, Object, Time


class TriggerTarget(ApiModel):
    """The workload that is acted upon, in the trigger's own namespace."""

    kind: Annotated[str, OneOf("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")]
    """Its kind. A DaemonSet cannot be scaled, a ReplicaSet or ReplicationController not be redeployed."""
    name: str
    """Its name."""


class TriggerSpec(ApiModel):
    """What happens at a POST."""

    target: TriggerTarget
    """The workload."""
    action: Annotated[str, OneOf("Redeploy", "Scale")] = "Redeploy"
    """Redeploy: new pods of the same template, as `kubectl rollout restart`; Scale: another number of replicas."""
    replicas: Natural32 | None = None
    """With Scale: always so many. Without it the sender says the number, within minReplicas and maxReplicas."""
    min_replicas: Natural32 | None = None
    """With Scale: the fewest that the sender may ask for. Default 0."""
    max_replicas: Natural32 | None = None
    """With Scale and without replicas: the most that the sender may ask for."""
    suspend: bool = False
    """While true, it refuses."""


class TriggerStatus(ApiModel):
    """What has become of it."""

    secret_issued_at: Time | None = None
    """When the present address was made; absent while there is none."""
    used: Int64 = 0
    """How often it has acted."""
    last_used: Time | None = None
    """When it acted last."""
    last_result: str = ""
    """What it did then."""


class Trigger(Object):
    """A secret address at which a POST redeploys or scales one workload: for build systems and alerts. The subresource secret
    makes the address (and makes former ones worthless); it is shown once."""

    api_version: str = "slipway.dev/v1"
    kind: str = "Trigger"
    spec: TriggerSpec
    """What happens at a POST."""
    status: TriggerStatus = TriggerStatus()
    """What has become of it."""
