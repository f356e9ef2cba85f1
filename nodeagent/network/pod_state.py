"""What the network remembers of a pod (``<run>/pods/<uid>/sandbox.json``), and what follows from its uid alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import ip_interface
from pathlib import Path

from nodeagent.network import host_ports, spoofing
from nodeagent.network.host_ports import PublishedPort
from nodeagent.network.service_state import Program

FILE = "sandbox.json"


@dataclass(frozen=True)
class PodState:
    interfaces: tuple[str, ...]
    """Its addresses, with their prefixes. Empty on the host's network."""
    ports: tuple[PublishedPort, ...]
    kinds: frozenset[str]
    """Of namespaces (`namespaces.KINDS`)."""
    unlimited: bool = False
    """It has no limits of bandwidth."""

    @property
    def addresses(self) -> list[str]:
        return [str(ip_interface(each).ip) for each in self.interfaces]

    @property
    def program(self) -> Program:
        """Of its published ports, among services."""
        return host_ports.program(self.addresses, self.ports)

    def identity(self, uid: str) -> spoofing.Identity:
        return spoofing.Identity(hardware_address(uid), self.addresses)


def veth_name(pod_uid: str) -> str:
    """Of the host's end; 15 characters are all that the kernel allows."""
    return "sv" + hashlib.sha256(pod_uid.encode()).hexdigest()[:12]


def hardware_address(pod_uid: str) -> str:
    """Of the pod's end: its own for good, and known before there is an interface."""
    return (b"\x0a" + hashlib.sha256(pod_uid.encode()).digest()[:5]).hex(":")


def of_node(pods: Path) -> Iterator[tuple[str, PodState]]:
    """Every pod that is whole, by its uid."""
    for path in sorted(pods.glob(f"*/{FILE}")):
        state = load(path)
        if state is not None:
            yield path.parent.name, state


def save(path: Path, state: PodState) -> None:
    fields = {
        "addresses": state.interfaces,
        "ports": [asdict(port) for port in state.ports],
        "kinds": sorted(state.kinds),
        "unlimited": state.unlimited,
    }
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(fields))
    draft.replace(path)


def load(path: Path) -> PodState | None:
    try:
        fields = json.loads(path.read_text())
        ports = tuple(PublishedPort(**port) for port in fields["ports"])
        unlimited = fields.get("unlimited") is True  # an agent of before did not say
        return PodState(tuple(fields["addresses"]), ports, frozenset(fields["kinds"]), unlimited)
    except (OSError, ValueError, KeyError, TypeError):
        return None
