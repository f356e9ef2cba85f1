"""Probes and lifecycle hooks of a container, and the ways they can act."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, OneOf
from schema.meta import Int64, IntOrString, Natural32, Natural64, Port


class ExecAction(ApiModel):
    """Runs a command inside the container."""

    command: list[str] = []
    """The command and its arguments; no shell. Exit status 0 is success."""


class HTTPHeader(ApiModel):
    """A header of an HTTP request."""

    name: str
    """Name of the header."""
    value: str
    """Value of the header."""


class HTTPGetAction(ApiModel):
    """Sends an HTTP GET; an answer from 200 to 399 is success."""

    path: str = ""
    """Path to ask for; / by default."""
    port: IntOrString
    """Number or name of the port."""
    host: str = ""
    """Host to connect to; the pod's address by default."""
    scheme: Annotated[str, OneOf("HTTP", "HTTPS")] = ""
    """HTTP or HTTPS; HTTP by default."""
    http_headers: list[HTTPHeader] = []
    """Headers to send."""


class TCPSocketAction(ApiModel):
    """Opens a TCP connection; success is that it opens."""

    port: IntOrString
    """Number or name of the port."""
    host: str = ""
    """Host to connect to; the pod's address by default."""


class GRPCAction(ApiModel):
    """Calls the gRPC health service."""

    port: Port
    """Number of the port."""
    service: str | None = None
    """Service to ask about; empty for the whole server."""


class SleepAction(ApiModel):
    """Waits."""

    seconds: Int64
    """How long, in seconds."""


class Probe(ApiModel):
    """A check of a container, repeated."""

    exec: ExecAction | None = None
    """Run a command."""
    http_get: HTTPGetAction | None = None
    """Send an HTTP request."""
    tcp_socket: TCPSocketAction | None = None
    """Open a TCP connection."""
    grpc: GRPCAction | None = None
    """Call the gRPC health service."""
    initial_delay_seconds: Natural32 = 0
    """Seconds after the container's start before the first probe."""
    timeout_seconds: Natural32 = 0
    """Seconds after which a probe has failed; 1 by default."""
    period_seconds: Natural32 = 0
    """Seconds between probes; 10 by default."""
    success_threshold: Natural32 = 0
    """Successes in a row that count as success after a failure; 1 by default."""
    failure_threshold: Natural32 = 0
    """Failures in a row that count as failure; 3 by default."""
    termination_grace_period_seconds: Natural64 | None = None
    """Grace for the container when this probe fails, instead of the pod's."""


class LifecycleHandler(ApiModel):
    """What to do at a moment of the container's life. Exactly one may be given."""

    exec: ExecAction | None = None
    """Run a command in the container."""
    http_get: HTTPGetAction | None = None
    """Send an HTTP request."""
    tcp_socket: TCPSocketAction | None = None
    """Never worked in Kubernetes; kept for compatibility."""
    sleep: SleepAction | None = None
    """Wait."""


class Lifecycle(ApiModel):
    """What to do after a container starts and before it is stopped."""

    post_start: LifecycleHandler | None = None
    """Done right after the container is created; its failure ends the container."""
    pre_stop: LifecycleHandler | None = None
    """Done before the container is asked to stop; counts towards the grace period."""
    stop_signal: str | None = None
    """Signal that asks the container to stop, instead of the image's."""
