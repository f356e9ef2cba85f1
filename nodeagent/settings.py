"""The agent's settings, from the command line and ``SLIPWAY_*`` variables, with their units and defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schema.instance import instance_id


@dataclass(frozen=True)
class Settings:
    home: Path
    """State that outlives a reboot: images/, pods/<uid>/, checkpoint/."""
    run_dir: Path
    """Sockets, pinned namespaces, bundles: gone after a reboot."""
    server: str
    """``https://host:6443`` of the control plane."""
    token: str
    """The node's bearer token, where no ``credential_file`` holds it."""
    ca_file: Path | None
    """Certificate that the server must be signed by; None: the system's."""
    node_name: str
    cgroup_parent: str
    """Relative to each controller's root, e.g. ``slipway-1a2b3c4d``."""
    credential_file: Path | None = None
    """Holds the node's token, and is read anew when it changes."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of a node that is new; from then on they are the users'."""
    taints: Sequence[Mapping[str, str]] = ()
    """Likewise."""
    runtime: str = "crun"
    ingress_http_port: int = 80
    """Where this node answers for Ingresses, if it is labelled for that."""
    ingress_https_port: int = 443
    node_port_addresses: str = ""
    """Ranges of this node's addresses at which node ports answer, with commas between them; empty: all of them."""
    overlay: str = "auto"
    """How other nodes' pods are reached: auto, vxlan or direct (`network.topology.Mode`)."""
    vxlan_port: int = 4789
    encryption: str = "off"
    """Of packets between pods of different nodes: off or wireguard (`network.encryption`)."""
    wireguard_port: int = 51820
    """UDP; the next one is used too."""
    wireguard_rotation_seconds: float = 86_400.0
    """How long a key carries packets; 0: for ever."""
    image_port: int = 6450
    """TCP, where other nodes get layers of images; one that is free where it is taken. -1: this node serves none."""
    pids_limit: int = 4096
    """Processes and threads that one pod may have; 0: no limit."""
    log_max_bytes: int = 10 * 1024 * 1024
    """A container's log is rotated beyond this."""
    log_max_files: int = 5
    checkpoint_seconds: float = 0.0
    """Delay that gathers checkpoint writes; 0 writes at once."""
    report_seconds: float = 0.005
    """How long a status waits for others to share its frame."""
    disk_pressure_percent: float = 95.0
    """DiskPressure from this share of the home's file system on."""

    @property
    def instance(self) -> str:
        return instance_id(self.home)
