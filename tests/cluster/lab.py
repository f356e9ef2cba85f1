"""A cluster of several nodes on this machine, for tests and benchmarks: the same code as `make up NODES=3`.

    with lab(nodes=3) as cluster:
        cluster.api.get("/api/v1/nodes")                     # as the administrator; `cluster.kubeconfig` for programs
        cluster.nodes                                        # ["node-…", "node-2", "node-3"]: the first is this machine
        cluster.address("node-2")                            # on the lab's bridge
        cluster.exec_on("node-2", ["ip", "route"])           # in the node's network namespace
        cluster.kill("node-2"); cluster.heal("node-2")       # and partition, connect, restart_agent, add, remove

`Lab` is an `Instance` (tests/cluster/instance.py): creating, waiting for and deleting pods work as there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from controlplane.instance import control
from controlplane.instance.lab import network, operations, plan, state
from controlplane.instance.lab.state import Places
from controlplane.instance.layout import Layout
from tests import registry
from tests.cluster.instance import ROOT, START_SECONDS, Instance, condition, prepare, wait_for
from tests.ports import free_port

READY_SECONDS = 120.0
T = TypeVar("T")


@dataclass
class Lab(Instance):
    """A running instance with further nodes."""

    options: Sequence[str] = ()
    """Of `manage.py up`."""
    started: list[str] = field(default_factory=list)
    open_registry: registry.Registry | None = field(default=None, repr=False)

    @property
    def layout(self) -> Layout:
        return Layout.from_environment(self.environment)

    @property
    def state(self) -> state.Lab:
        found = state.load(self.layout)
        assert found is not None, "the lab has not been started"
        return found

    @property
    def nodes(self) -> list[str]:
        """This machine's own node first."""
        return [self.node, *(node.name for node in self.state.nodes)]

    @property
    def gateway(self) -> str:
        """This machine's address on the lab's bridge: where the nodes reach what listens here, a registry say."""
        return str(self.state.gateway)

    def address(self, node: str) -> str:
        """Of the node on the lab's bridge."""
        return self.gateway if node == self.node else str(self.state.address(self.state.find(node)).ip)

    def places(self, node: str) -> Places:
        return state.places(self.layout, node)

    def command_on(self, node: str, argv: Sequence[str]) -> list[str]:
        """The command in the node's network namespace, for a Popen of your own."""
        return list(argv) if node == self.node else list(self.places(node).inside(*argv))

    def exec_on(
        self, node: str, argv: Sequence[str], *, timeout: float = 30, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command_on(node, argv), capture_output=True, text=True, timeout=timeout, check=False, input=stdin
        )
        assert not check or done.returncode == 0, f"{node}: {' '.join(argv)}: {done.stdout}{done.stderr}"
        return done

    def agent_pid(self, node: str) -> int | None:
        """None while its agent does not run."""
        name = "agent" if node == self.node else f"agent@{node}"
        found: dict[str, int] = control.ask(self.layout, "list")["processes"]
        return found.get(name)

    # Failure

    def kill(self, node: str, *, host: bool = False) -> None:
        _apart(lambda: operations.kill(self.layout, node, host=host))

    def restart_agent(self, node: str) -> None:
        """SIGKILL; the supervisor starts it again at once."""
        control.ask(self.layout, "kill", name="agent" if node == self.node else f"agent@{node}")

    def partition(self, node: str, *, others: Sequence[str] = ()) -> None:
        _apart(lambda: operations.partition(self.layout, node, others=others))

    def heal(self, node: str) -> None:
        _apart(lambda: operations.heal(self.layout, node))

    def connect(self, node: str, *, latency: str = "", loss: str = "", bandwidth: str = "") -> None:
        """``latency="20ms"``, ``loss="1%"``, ``bandwidth="100mbit"``; without any a perfect cable."""
        _apart(lambda: operations.connect(self.layout, node, plan.parse_link(latency, loss, bandwidth)))

    def add(self, node: str) -> None:
        self.manage("lab", "add", node)
        self.wait_node(node)

    def remove(self, node: str) -> None:
        self.manage("lab", "remove", node)

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=2 * START_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, f"manage.py {' '.join(words)}: {done.stdout}{done.stderr}"
        return done

    # Waiting

    def node_status(self, node: str, kind: str = "Ready") -> str | None:
        """The status of a condition; None while there is no such node."""
        try:
            answer = self.api.get(f"/api/v1/nodes/{node}")
        except httpx.TransportError:
            return None
        return condition(answer.json(), kind) if answer.status_code == httpx.codes.OK else None

    def wait_node(self, node: str, status: str = "True", *, seconds: float = READY_SECONDS) -> None:
        """Until its Ready condition is ``status`` (True, Unknown, False)."""
        wait_for(f"node {node} Ready={status}", lambda: self.node_status(node) == status, seconds=seconds)

    def wait_ready(self) -> None:
        for node in self.state.nodes:
            if node.running:
                self.wait_node(node.name)

    def up(self) -> None:
        super().up()
        self.wait_ready()

    def up_command(self) -> list[str]:
        return [*super().up_command(), *self.options]

    @contextlib.contextmanager
    def registry(self) -> Iterator[registry.Registry]:
        """A registry that every node of the lab reaches; the nodes take its plain http from the address given to `lab`. Asked
        for again while it runs, it is the same one: the lab has one address for it."""
        if self.open_registry is not None:
            yield self.open_registry
            return
        with registry.start(address=self.gateway, port=self.registry_port) as started:
            self.open_registry = started
            try:
                yield started
            finally:
                self.open_registry = None

    @property
    def registry_port(self) -> int:
        return int(self.environment["SLIPWAY_REGISTRY_INSECURE"].rpartition(":")[2])


def _apart(operation: Callable[[], T]) -> T:
    """In a thread: pyroute2 runs an event loop of its own, and the caller may have one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(operation).result()


@contextlib.contextmanager
def lab(nodes: int = 3, *, latency: str = "", loss: str = "", bandwidth: str = "", **settings: str) -> Iterator[Lab]:
    """A lab that is up, every node Ready, within the block; taken down after it, whatever happened."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-lab-"))
    cluster = make(directory, nodes=nodes, latency=latency, loss=loss, bandwidth=bandwidth, **settings)
    try:
        cluster.up()
        yield cluster
    finally:
        outcome = cluster.down()
        if outcome.returncode == 0:
            shutil.rmtree(directory, ignore_errors=True)
    assert outcome.returncode == 0, f"`manage.py down` failed:\n{outcome.stdout}\n{outcome.stderr}"


def make(directory: Path, *, nodes: int, latency: str, loss: str, bandwidth: str, **settings: str) -> Lab:
    plain = prepare(directory, **settings)
    layout = Layout.from_environment(plain.environment)
    layout.make_directories()
    settled = _apart(lambda: network.settle(layout, environment=plain.environment))
    registry_host = f"{settled.gateway}:{free_port()}"
    plain.environment = {**plain.environment, "SLIPWAY_REGISTRY_INSECURE": registry_host}
    fields = {each.name: getattr(plain, each.name) for each in dataclasses.fields(Instance) if each.init}
    words = ["--nodes", str(nodes)]
    for name, value in (("--latency", latency), ("--loss", loss), ("--bandwidth", bandwidth)):
        words += [name, value] if value else []
    return Lab(**fields, options=words)
