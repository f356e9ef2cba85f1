"""What the pod workers of one node share: the host's facilities, the objects pods refer to, the clock, the way to report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nodeagent.cluster import Consumer
from nodeagent.facilities import (
    DEFAULT_DOMAIN,
    ContainerPlan,
    ImageConfig,
    Images,
    Mount,
    Network,
    Runtime,
    Sandbox,
    Volumes,
)
from nodeagent.pods.status import Host
from nodeagent.settings import Settings
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod
from schema.session import EventReport, PodStatusReport, VolumeReport
from schema.session import Images as ImagesMessage

if TYPE_CHECKING:
    from nodeagent.network.encrypted import Report


class Clock(Protocol):
    def now(self) -> datetime: ...


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Reports(Protocol):
    def pod_status(self, report: PodStatusReport, *, urgent: bool) -> None: ...

    def event(self, report: EventReport) -> None: ...

    def volume(self, report: VolumeReport) -> None: ...


class Planner(Protocol):
    """As `runtime.assemble.plan`. Blocks, so it is called in a thread."""

    def __call__(
        self,
        pod: Pod,
        container: Container,
        *,
        container_id: str,
        attempt: int,
        bundle: Path,
        log: Path,
        root: Path,
        image: ImageConfig,
        args: Sequence[str],
        environment: Sequence[str],
        hostname: str,
        sandbox: Sandbox,
        mounts: Sequence[Mount],
        cgroup_parent: str,
        pids_limit: int,
        seccomp_directory: Path,
    ) -> ContainerPlan: ...


class Holder(Protocol):
    """As `runtime.holder.plan`. Blocks, so it is called in a thread."""

    def __call__(
        self, pod: Pod, sandbox: Sandbox, *, run_dir: Path, cgroup_parent: str, pids_limit: int
    ) -> ContainerPlan: ...


@dataclass
class Facilities:
    """The host, real or fake."""

    runtime: Runtime
    network: Network
    volumes: Volumes
    images: Images
    plan: Planner
    hold: Holder
    list_images: Callable[[], Sequence[Wire]] = list
    """What is here, as in a Node's `status.images`. Blocks."""
    tell_images: Callable[[], Callable[[], ImagesMessage | None]] | None = None
    """Begins a session's account of the images; what it returns says what is new since it was asked last. Blocks."""
    image_peer: Callable[[], Wire] | None = None
    """How other nodes get layers from this one, as in a Node's `status.imagePeer`. Blocks."""
    encryption: Callable[[], Report] | None = None
    """What the node says of its keys; None where packets between nodes are not encrypted. Blocks."""
    consumers: Sequence[Consumer] = ()
    """Who makes the host follow the cluster: the overlay, services, DNS, …"""


@dataclass
class Objects:
    """What the node's pods refer to: ConfigMaps and Secrets by namespace and name, volumes by their claims'."""

    config_maps: dict[tuple[str, str], Wire] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Wire] = field(default_factory=dict, repr=False)
    volumes: dict[tuple[str, str], Wire] = field(default_factory=dict)

    def config_maps_of(self, namespace: str) -> dict[str, Wire]:
        return {name: wire for (where, name), wire in self.config_maps.items() if where == namespace}

    def secrets_of(self, namespace: str) -> dict[str, Wire]:
        return {name: wire for (where, name), wire in self.secrets.items() if where == namespace}

    def volumes_of(self, namespace: str) -> dict[str, Wire]:
        return {name: wire for (where, name), wire in self.volumes.items() if where == namespace}


def _no_keys(namespace: str) -> str:
    return ""


def _no_services() -> Mapping[tuple[str, str], Wire]:
    return {}


def _default_domain() -> str:
    return DEFAULT_DOMAIN


def _never() -> str:
    return ""


@dataclass
class Context:
    settings: Settings
    host: Facilities
    reports: Reports
    clock: Clock
    objects: Objects = field(default_factory=Objects)
    addresses: Host = field(default_factory=Host)
    allocatable: Mapping[str, str] = field(default_factory=dict)
    network_problem: str = ""
    """Why pods cannot have a network of their own now; empty when they can."""
    network_settled: asyncio.Event = field(default_factory=asyncio.Event)
    """The network has been brought up, or could not be: before that a pod waits a little instead of complaining."""
    pressure: Callable[[], str] = _never
    """Why no pod may be started now (a full disk); empty when they may."""
    services: Callable[[], Mapping[tuple[str, str], Wire]] = _no_services
    """Those of the cluster, by namespace and name."""
    signature_keys: Callable[[str], str] = _no_keys
    """The public keys (PEM) one of which must have signed the images of a namespace; empty: none need be."""
    domain: Callable[[], str] = _default_domain
    """In which the cluster's names are."""
    creations: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(6))
    """Containers made at once: enough to keep the processors busy, few enough that each one is quick."""
    commands: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))
    """Probes that run a command at once: each costs a few processes."""
