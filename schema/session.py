"""What control plane and agent say to each other.

One session WebSocket per node, dialled by the agent: ``GET /agent/v1/session`` with ``Authorization: Bearer <node
token>``. Every frame is a text frame holding one JSON object with a ``type``. The agent says `Hello` first; the
control plane answers `Welcome`, then `Sync` (everything the node should run), then `Update` for each change.

Every other byte stream (log, exec, attach, port-forward) has a WebSocket of its own, also dialled by the agent:
``GET /agent/v1/streams/<streamId>``, after an `OpenStream` on the session. Its first frame, agent to control plane, is a
text frame with a `StreamOpened`; a failure there becomes the HTTP error the client sees. Then

* ``log``: binary frames, each a piece of the log as the client shall see it (whole lines; options applied by the agent).
  A close with 1000 is the end.
* ``exec``, ``attach``: binary frames of ``v5.channel.k8s.io`` in both directions: byte 0 is the channel (0 stdin, 1 stdout,
  2 stderr, 3 status, 4 resize, 255 close-of-channel), the rest is payload. The agent ends with one channel 3 frame
  holding a Status, then close 1000. The control plane translates to v4 where a client offers only that.
* ``portForward``: binary frames of one TCP connection to ``port`` inside the pod's network namespace.
* ``probe``: about no pod. One binary frame, a JSON list with an object for each of ``targets`` and each place from which it was
  tried (``from``: Node, or Pod with its ``pod``), in the words of `schema.probes`; then close 1000.

Either side closing the WebSocket ends the stream. Agents check nothing about who asked: that is the control plane's part.

The two sides may be of neighbouring releases, because agents are replaced after the control plane: a field that is new has a
default, a field that one does not know is left alone, and a message of a type that one does not know is `Unknown` and passed
over. What cannot be said in that way takes another `PROTOCOL_VERSION`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schema.base import Model, Wire

PROTOCOL_VERSION = 1


class StreamKind(StrEnum):
    LOG = "log"
    EXEC = "exec"
    ATTACH = "attach"
    PORT_FORWARD = "portForward"
    PROBE = "probe"


class Hello(Model):
    """First word of the agent. ``node`` is its Node object: metadata.name, labels, and the whole status."""

    type: Literal["hello"] = "hello"
    protocol: int = PROTOCOL_VERSION
    agent_version: str
    agent_run: str = ""
    """Random for each start of the agent. Reports are numbered within it: one that is sent again after a reconnect is
    known by its number, so its events are not counted twice."""
    boot_id: str
    """Of the host's kernel (/proc/sys/kernel/random/boot_id): a new one means that nothing of before still runs."""
    node: Wire


class Heartbeat(Model):
    """Sent every ``heartbeatSeconds``; carries the node's conditions when they changed since the last one."""

    type: Literal["heartbeat"] = "heartbeat"
    node_status: Wire | None = None


class PodStatusReport(Model):
    uid: str
    namespace: str
    name: str
    status: Wire
    """The whole pod status (phase, conditions, podIP, containerStatuses, ...); replaces the stored one."""
    gone: bool = False
    """True once nothing of the pod is left on the node: a pod with a deletionTimestamp may now be removed."""


class EventReport(Model):
    """Something that happened to a pod (or to the node, when ``pod_uid`` is empty), for ``kubectl describe``."""

    pod_uid: str = ""
    namespace: str = ""
    name: str = ""
    field_path: str = ""
    """As in Event.involvedObject.fieldPath, e.g. ``spec.containers{web}``."""
    severity: Literal["Normal", "Warning"] = "Normal"
    reason: str
    message: str
    at: datetime


class VolumeReport(Model):
    """What has become of a volume of class local on this node."""

    name: str
    uid: str
    path: str = ""
    """Its directory has been made, here."""
    removed: bool = False
    """Nothing of it is left on the node: its PersistentVolume may go."""
    problem: str = ""
    """Why it could not be removed yet."""


class Report(Model):
    """A batch of statuses and events. Numbered; resent with the same number after a reconnect until acknowledged."""

    type: Literal["report"] = "report"
    sequence: int
    pods: list[PodStatusReport] = Field(default_factory=list)
    events: list[EventReport] = Field(default_factory=list)
    volumes: list[VolumeReport] = Field(default_factory=list)


class Usage(Model):
    """What a node, a pod or a container used, as rates over the `Metrics.window_seconds` before `Metrics.at`."""

    cpu_cores: float = 0.0
    memory_bytes: int = 0
    """The working set: without the page cache that can be dropped at once. At the moment, no rate."""
    received_bytes: float = 0.0
    """A second, over the network; of a container always 0, for it has its pod's."""
    sent_bytes: float = 0.0
    read_bytes: float = 0.0
    """A second, from disk."""
    written_bytes: float = 0.0
    cpu_pressure: float | None = None
    """Percent of the time in which some task waited for it; None where the kernel does not say."""
    memory_pressure: float | None = None
    io_pressure: float | None = None


class PodUsage(Model):
    uid: str
    namespace: str
    name: str
    controller: str = ""
    """``<kind>/<name>`` of what controls the pod: ``ReplicaSet/web-5d4c``."""
    usage: Usage
    """Of the pod as a whole."""
    containers: dict[str, Usage] = Field(default_factory=dict)


class Metrics(Model):
    """Sent every ``metricsSeconds``. Neither acknowledged nor sent again: the next one replaces it."""

    type: Literal["metrics"] = "metrics"
    at: datetime
    window_seconds: float
    node: Usage
    node_disk_bytes: int | None = None
    """What is taken of the file system under the agent's home."""
    pods: list[PodUsage] = Field(default_factory=list)


class ImageReport(Model):
    """An image of the node. The documents come once in a session, as the bytes that their digests are of."""

    id: str
    """The digest of its configuration."""
    references: list[str] = Field(default_factory=list)
    digests: list[str] = Field(default_factory=list)
    """As ``repository@sha256:…``."""
    config: str = ""
    manifest: str = ""


class Images(Model):
    """All images of the node: sent after the Welcome, and when there are others. Neither acknowledged nor sent again: a session
    begins with all of it."""

    type: Literal["images"] = "images"
    images: list[ImageReport] = Field(default_factory=list)


class Welcome(Model):
    type: Literal["welcome"] = "welcome"
    node_uid: str
    pod_cidrs: list[str]
    """The node's own ranges, e.g. ``10.244.0.0/24``, one of each family, the preferred first; fixed while the Node lives."""
    cluster_cidrs: list[str]
    """The ranges of all pods, e.g. ``10.244.0.0/16``: never translated on its way between pods."""
    heartbeat_seconds: float = 5.0
    metrics_seconds: float = 0.0
    """How often the agent shall send `Metrics`; 0: not at all."""


class VolumeRemoval(Model):
    """A deleted PersistentVolume of class local, whose directory the node is to remove and to report so."""

    name: str
    uid: str
    namespace: str = ""
    claim: str = ""
    """The claim that it was bound to: a pod of the node may still use it."""


class Sync(Model):
    """Everything the node should run; what it does not name is to be stopped."""

    type: Literal["sync"] = "sync"
    revision: int
    pods: list[Wire]
    config_maps: list[Wire]
    secrets: list[Wire]
    """Only those that the node's pods refer to (environment, volumes, imagePullSecrets)."""
    volumes: list[Wire] = Field(default_factory=list)
    """PersistentVolumes bound to claims of the node's pods; ``spec.claimRef`` says which."""
    volume_removals: list[VolumeRemoval] = Field(default_factory=list)
    cluster: list[Wire] = Field(default_factory=list)
    """What every node knows of the whole cluster (nodes, services, …), reduced to what agents need. Each has ``kind`` and
    ``metadata`` with namespace and name."""


class ObjectKey(Model):
    namespace: str
    name: str


class ClusterKey(Model):
    kind: str
    namespace: str = ""
    name: str


class Update(Model):
    """Changes since the last Sync or Update, in order. ``removed_pods`` are uids: stop at once, the object is gone."""

    type: Literal["update"] = "update"
    revision: int
    pods: list[Wire] = Field(default_factory=list)
    removed_pods: list[str] = Field(default_factory=list)
    config_maps: list[Wire] = Field(default_factory=list)
    removed_config_maps: list[ObjectKey] = Field(default_factory=list)
    secrets: list[Wire] = Field(default_factory=list)
    removed_secrets: list[ObjectKey] = Field(default_factory=list)
    volumes: list[Wire] = Field(default_factory=list)
    removed_volumes: list[ObjectKey] = Field(default_factory=list)
    """Named by their claims."""
    volume_removals: list[VolumeRemoval] = Field(default_factory=list)
    cluster: list[Wire] = Field(default_factory=list)
    removed_cluster: list[ClusterKey] = Field(default_factory=list)


class Acknowledge(Model):
    """Every Report up to and including ``sequence`` is stored."""

    type: Literal["acknowledge"] = "acknowledge"
    sequence: int


class LogOptions(Model):
    """As the query of ``GET …/log``."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_time: datetime | None = None


class ExecOptions(Model):
    """As the query of ``…/exec``; ``command`` is empty for attach."""

    command: list[str] = Field(default_factory=list)
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class ProbeTarget(Model):
    """An address and TCP port to connect to."""

    address: str
    port: int


class OpenStream(Model):
    type: Literal["openStream"] = "openStream"
    stream_id: str
    kind: StreamKind
    namespace: str
    pod: str
    pod_uid: str
    container: str = ""
    log: LogOptions | None = None
    exec: ExecOptions | None = None
    port: int | None = None
    targets: list[ProbeTarget] = Field(default_factory=list)


class StreamOpened(Model):
    """First frame of a stream. ``failure`` is a Kubernetes Status; absent when the stream is open."""

    failure: Wire | None = None


class RotateCredential(Model):
    """The agent is to exchange its credential for a new one now (``POST /agent/v1/credential``)."""

    type: Literal["rotateCredential"] = "rotateCredential"


class Unknown(Model):
    """A message whose type is of another release."""

    type: str = ""


_FROM_AGENT: TypeAdapter[Hello | Heartbeat | Images | Metrics | Report] = TypeAdapter(
    Annotated[Hello | Heartbeat | Images | Metrics | Report, Field(discriminator="type")]
)
_FROM_CONTROL_PLANE: TypeAdapter[Welcome | Sync | Update | Acknowledge | OpenStream | RotateCredential] = TypeAdapter(
    Annotated[Welcome | Sync | Update | Acknowledge | OpenStream | RotateCredential, Field(discriminator="type")]
)


def from_agent(frame: str | bytes) -> Hello | Heartbeat | Images | Metrics | Report | Unknown:
    """Raises pydantic's ValidationError for what is no message."""
    try:
        return _FROM_AGENT.validate_json(frame)
    except ValidationError as error:
        return _unknown(frame, error)


def from_control_plane(
    frame: str | bytes,
) -> Welcome | Sync | Update | Acknowledge | OpenStream | RotateCredential | Unknown:
    """Raises pydantic's ValidationError for what is no message."""
    try:
        return _FROM_CONTROL_PLANE.validate_json(frame)
    except ValidationError as error:
        return _unknown(frame, error)


_OF_ANOTHER_RELEASE = frozenset({"union_tag_invalid", "enum"})
"""Faults that are a word which this release does not know."""


def _unknown(frame: str | bytes, error: ValidationError) -> Unknown:
    faults = {fault["type"] for fault in error.errors(include_url=False, include_input=False)}
    if not faults <= _OF_ANOTHER_RELEASE:
        raise error
    return Unknown.model_validate_json(frame)
