"""Endpoints: the addresses behind a service, all in one object. For old clients; see EndpointSlice."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schema.base import ApiModel, OneOf
from schema.core.reference import ObjectReference
from schema.meta import Object, Port


class EndpointAddress(ApiModel):
    """An address behind a service."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    ip: str
    """The address."""
    hostname: str = ""
    """Its name within the service's domain."""
    node_name: str | None = None
    """The node it is on."""
    target_ref: ObjectReference | None = None
    """The pod it belongs to."""


class EndpointPort(ApiModel):
    """A port behind a service."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    name: str = ""
    """Name of the service's port."""
    port: Port
    """The port of the pods."""
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""
    """TCP, UDP or SCTP; TCP by default."""
    app_protocol: str | None = None
    """What is spoken on it."""


class EndpointSubset(ApiModel):
    """Addresses that have the same ports."""

    addresses: list[EndpointAddress] = []
    """Those that are ready."""
    not_ready_addresses: list[EndpointAddress] = []
    """Those that are not, or not yet."""
    ports: list[EndpointPort] = []
    """The ports of all of them."""


class Endpoints(Object):
    """The addresses behind the service of the same name."""

    api_version: str = "v1"
    kind: str = "Endpoints"
    subsets: list[EndpointSubset] = []
    """Each address times each port of each subset."""
