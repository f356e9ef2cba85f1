"""What the lab is: which nodes it has, where they are, and what is done to them at the moment. One small file."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from controlplane.instance.lab.errors import LabError
from controlplane.instance.layout import Layout
from schema.instance import instance_id

ALL = "*"
"""In `Node.cut`: cut from everybody."""


@dataclass(frozen=True)
class Link:
    """How the node's cable is. Delay and loss meet what the node sends, the bandwidth holds both ways."""

    latency_ms: float = 0.0
    loss_percent: float = 0.0
    bandwidth_bits: int = 0
    """Per second; 0: as fast as it goes."""


PERFECT = Link()


@dataclass(frozen=True)
class Node:
    name: str
    number: int
    """The host part of its address."""
    link: Link = PERFECT
    running: bool = True
    """False after `lab kill`: its agent stays down until `lab heal`."""
    cut: tuple[str, ...] = ()
    """From whom it is cut: names, or `ALL`."""


@dataclass(frozen=True)
class Lab:
    network: IPv4Network
    nodes: tuple[Node, ...] = ()

    def find(self, name: str) -> Node:
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes) or "none"
        raise LabError(f"the lab has no node {name!r} (it has: {known})")

    def with_node(self, node: Node) -> Lab:
        """In the place of the one of that name, or behind the others."""
        others = [each for each in self.nodes if each.name != node.name]
        return replace(self, nodes=tuple(sorted([*others, node], key=lambda each: each.number)))

    def without(self, name: str) -> Lab:
        kept = (replace(each, cut=tuple(c for c in each.cut if c != name)) for each in self.nodes if each.name != name)
        return replace(self, nodes=tuple(kept))

    @property
    def gateway(self) -> IPv4Address:
        """The host's address on the bridge."""
        return self.network[1]

    def address(self, node: Node) -> IPv4Interface:
        return IPv4Interface((self.network[node.number], self.network.prefixlen))


@dataclass(frozen=True)
class Places:
    """Where a node of the lab keeps its things; as apart from the others' as on another host."""

    home: Path
    namespace: Path
    """Its network namespace, pinned."""

    @property
    def id(self) -> str:
        return instance_id(self.home)

    @property
    def run_dir(self) -> Path:
        return Path(f"/run/slipway-{self.id}")

    @property
    def cgroup_parent(self) -> str:
        return f"slipway-{self.id}"

    def options(self) -> tuple[str, ...]:
        """For the agent's commands."""
        return (
            *("--home", str(self.home), "--run-dir", str(self.run_dir)),
            *("--cgroup-parent", self.cgroup_parent),
        )

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command in the node's network namespace."""
        return ("nsenter", f"--net={self.namespace}", "--", *command)


def places(layout: Layout, name: str) -> Places:
    return Places(layout.home / "nodes" / name, pins(layout) / name)


def pins(layout: Layout) -> Path:
    return layout.run_dir.with_name(f"{layout.run_dir.name}-lab")


def directory(layout: Layout) -> Path:
    return layout.home / "lab"


def join_token(layout: Layout) -> Path:
    return directory(layout) / "join-token"


def load(layout: Layout) -> Lab | None:
    """None before the lab's range has been settled."""
    path = directory(layout) / "lab.json"
    try:
        return decode(path.read_text())
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path} cannot be read: {error}; `make down` and delete it") from None


def save(layout: Layout, lab: Lab) -> None:
    directory(layout).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory(layout) / "lab.json"
    draft = path.with_suffix(".new")
    draft.write_text(encode(lab))
    draft.rename(path)


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """One change of the lab at a time."""
    directory(layout).mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory(layout) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def encode(lab: Lab) -> str:
    return json.dumps({"network": str(lab.network), "nodes": [asdict(node) for node in lab.nodes]}, indent=1) + "\n"


def decode(text: str) -> Lab:
    fields = json.loads(text)
    nodes = (Node(**{**node, "link": Link(**node["link"]), "cut": tuple(node["cut"])}) for node in fields["nodes"])
    return Lab(IPv4Network(fields["network"]), tuple(nodes))
