"""EndpointSlice: some of the addresses behind a service."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schema.base import ApiModel, Atomic, OneOf
from schema.core.reference import ObjectReference
from schema.meta import Int32, Object

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Names the service that a slice belongs to."""
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
HEADLESS_LABEL = "service.kubernetes.io/headless"


class EndpointConditions(ApiModel):
    """What state an endpoint is in."""

    ready: bool | None = None
    """Takes new connections: serving and not terminating. Absent means true."""
    serving: bool | None = None
    """Answers, terminating or not. Absent means the same as ready."""
    terminating: bool | None = None
    """Is being ended. Absent means false."""


class ForZone(ApiModel):
    """A zone that an endpoint is meant for."""

    name: str
    """Name of the zone."""


class ForNode(ApiModel):
    """A node that an endpoint is meant for."""

    name: str
    """Name of the node."""


class EndpointHints(ApiModel):
    """Who should use an endpoint."""

    for_zones: list[ForZone] = []
    """Clients of these zones."""
    for_nodes: list[ForNode] = []
    """Clients on these nodes."""


class Endpoint(ApiModel):
    """One backend of a service."""

    addresses: list[str]
    """Addresses of the endpoint, all of the slice's type; only the first is used."""
    conditions: EndpointConditions | None = None
    """What state it is in."""
    hostname: str | None = None
    """Its name within the service's domain."""
    target_ref: ObjectReference | None = None
    """The pod it belongs to."""
    deprecated_topology: Annotated[dict[str, str], Atomic()] = {}
    """Unused; kept for old clients."""
    node_name: str | None = None
    """The node it is on."""
    zone: str | None = None
    """The zone it is in."""
    hints: EndpointHints | None = None
    """Who should use it."""


class EndpointPort(ApiModel):
    """A port of all endpoints of a slice."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    name: str | None = None
    """Name of the service's port; unique in the slice."""
    protocol: Annotated[str | None, OneOf("TCP", "UDP", "SCTP")] = None
    """TCP, UDP or SCTP; TCP by default."""
    port: Int32 | None = None
    """The port; absent where the endpoint has none of the name."""
    app_protocol: str | None = None
    """What is spoken on it."""


class EndpointSlice(Object):
    """Some of the addresses behind a service: those of one family and with the same ports."""

    api_version: str = "discovery.k8s.io/v1"
    kind: str = "EndpointSlice"
    address_type: Annotated[str, OneOf("IPv4", "IPv6", "FQDN")]
    """IPv4, IPv6 or FQDN: what the addresses are. Fixed."""
    endpoints: list[Endpoint] = []
    """At most 1000."""
    ports: list[EndpointPort] = []
    """Ports of all endpoints; at most 100."""
