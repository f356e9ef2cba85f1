"""The group coordination.k8s.io, version v1. Lease: who holds what, and until when."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, OneOf
from schema.meta import MicroTime, Natural32, Object, Positive32


class LeaseSpec(ApiModel):
    """Who holds a lease, and until when."""

    holder_identity: str | None = None
    """Who holds it."""
    lease_duration_seconds: Positive32 | None = None
    """Seconds after renewTime from which others may take it."""
    acquire_time: MicroTime | None = None
    """When it was taken."""
    renew_time: MicroTime | None = None
    """When it was last renewed."""
    lease_transitions: Natural32 | None = None
    """How often it changed hands."""
    strategy: Annotated[str | None, OneOf("OldestEmulationVersion")] = None
    """How a holder is chosen, for coordinated elections."""
    preferred_holder: str | None = None
    """Who should hold it next."""


class Lease(Object):
    """A lock with a time limit: leader election and node heartbeats."""

    api_version: str = "coordination.k8s.io/v1"
    kind: str = "Lease"
    spec: LeaseSpec = Field(default_factory=LeaseSpec)
    """Who holds it, and until when."""
