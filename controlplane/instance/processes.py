"""The command line of each process of an instance, in the order they start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.instance import address
from controlplane.instance.lab import state
from controlplane.instance.lab.state import Lab, Node
from controlplane.instance.layout import Layout

WORKER_ARGUMENTS = ("--without-gossip", "--without-mingle", "--without-heartbeat")
"""Workers have nothing to say to each other. How many threads they have is in `controlplane.celery`."""


@dataclass(frozen=True)
class Process:
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_seconds: float = 5.0
    """How long it may take to stop before it is killed."""
    chatty: bool = False
    """Its own words go to its log file only; the terminal is told when it ends."""


def of_instance(layout: Layout, *, environment: Mapping[str, str] = os.environ) -> list[Process]:
    processes = [] if environment.get("REDIS_URL") else [redis(layout)]
    return [*processes, *registries(layout), web(), worker(), agent(layout), *lab_agents(layout)]


def redis(layout: Layout) -> Process:
    # Nothing in it must survive: it carries wake-ups, and a full pass of the controllers replaces lost ones.
    return Process(
        "redis",
        (
            *("redis-server", "--port", "0", "--daemonize", "no", "--dir", str(layout.redis_dir)),
            *("--unixsocket", str(layout.redis_socket), "--unixsocketperm", "600"),
            *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
        ),
        # It greets, and warns of what matters only to a Redis that saves (overcommitted memory).
        chatty=True,
    )


def registries(layout: Layout) -> list[Process]:
    """The registry and its pull-through caches. Go reads the system's certificates and the file of SSL_CERT_FILE: with our
    authority in it notifications reach the API server."""
    environment = {"SSL_CERT_FILE": str(layout.ca_certificate)}
    return [
        Process(
            config.parent.name.replace("cache-", "registry-cache-"),
            ("docker-registry", "serve", str(config)),
            environment=environment,
            chatty=True,
        )
        for config in layout.registry_configs
    ]


def web() -> Process:
    return Process("web", (sys.executable, "-m", "controlplane.serve"))


def worker() -> Process:
    """Runs the controllers and the scheduler, and beat as a thread (`controlplane.celery`)."""
    return Process(
        "worker",
        (
            *(sys.executable, "-m", "celery", "--app", "controlplane", "--quiet", "worker", "--loglevel", "WARNING"),
            *WORKER_ARGUMENTS,
        ),
    )


def agent(layout: Layout) -> Process:
    return Process(
        "agent",
        (
            *(sys.executable, "-m", "nodeagent", "run", "--server", f"https://127.0.0.1:{layout.api_port}"),
            *("--token-file", str(layout.node_token), "--ca-file", str(layout.ca_certificate)),
            *node_places(layout),
            *("--node-name", layout.node_name),
        ),
    )


def lab_agents(layout: Layout) -> list[Process]:
    """Those that should run at the moment."""
    lab = state.load(layout)
    return [lab_agent(layout, lab, node) for node in lab.nodes if node.running] if lab else []


def lab_agent(layout: Layout, lab: Lab, node: Node) -> Process:
    """Joins at its first start as any host does, and runs; later it only runs."""
    where = state.places(layout, node.name)
    command = (
        *(sys.executable, "-m", "nodeagent", "join", f"https://{lab.gateway}:{layout.api_port}"),
        *(
            "--token-file",
            str(state.join_token(layout)),
            "--ca-hash",
            address.ca_hash(layout.ca_certificate),
            "--wait",
            "60",
            "--run",
        ),
        *(*where.options(), "--node-name", node.name),
    )
    return Process(agent_name(node.name), where.inside(*command), environment=_registry_of_host(layout, lab))


def _registry_of_host(layout: Layout, lab: Lab) -> dict[str, str]:
    """In a node's namespace ``localhost`` is the node: images of the registry on this machine's port 5000 are fetched by
    its address on the bridge. What the user has set goes first. The cluster's own registry, if it has this port, agents
    know by themselves."""
    if layout.registry_port == 5000:
        return {}
    server = f"{lab.gateway}:5000"
    insecure, mirrors = (os.environ.get(f"SLIPWAY_REGISTRY_{name}", "") for name in ("INSECURE", "MIRRORS"))
    return {
        "SLIPWAY_REGISTRY_INSECURE": ",".join(filter(None, [insecure, server])),
        "SLIPWAY_REGISTRY_MIRRORS": ",".join(
            filter(None, [mirrors, f"localhost:5000={server}", f"127.0.0.1:5000={server}"])
        ),
    }


def agent_name(node: str) -> str:
    return f"agent@{node}"


def remove_lab_node(layout: Layout, name: str) -> list[str]:
    """As `remove_node`, in the node's namespace while there is one."""
    where = state.places(layout, name)
    command = (sys.executable, "-m", "nodeagent", "remove", *where.options())
    return list(where.inside(*command) if where.namespace.is_mount() else command)


def remove_node(layout: Layout) -> list[str]:
    """The command that takes away everything the agent made on this host."""
    return [sys.executable, "-m", "nodeagent", "remove", *node_places(layout)]


def node_places(layout: Layout) -> tuple[str, ...]:
    places: tuple[tuple[str, str | Path], ...] = (
        ("--home", layout.node_home),
        ("--run-dir", layout.run_dir),
        ("--cgroup-parent", layout.cgroup_parent),
    )
    return tuple(str(word) for pair in places for word in pair)
