"""The command line of each process of an instance, in the order they start."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controlplane.instance.layout import Layout


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
    return [*processes, web(), worker(), agent(layout)]


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


def web() -> Process:
    return Process("web", (sys.executable, "-m", "controlplane.serve"))


def worker() -> Process:
    """Runs the controllers and the scheduler, and beat as a thread (`controlplane.celery`)."""
    return Process(
        "worker",
        (
            *(sys.executable, "-m", "celery", "--app", "controlplane", "--quiet", "worker", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
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
