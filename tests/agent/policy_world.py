"""Two nodes and their pods as network namespaces, for connections that really are made or refused.

    node a (10.178.1.0/24, fd78:1::/64)  ══ 192.0.2.0/24, fd00:2::/64 ══  node b (10.178.2.0/24, fd78:2::/64)
                       ╚══ outside: 203.0.113.9, 203.0.113.77

Each node routes between its bridge and the others, and runs `Policies` of its own, fed with one view of the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import subprocess
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nodeagent import kernel
from nodeagent.cluster import ClusterView
from nodeagent.network.errors import NetworkError
from nodeagent.network.policies import Policies
from nodeagent.settings import Settings
from schema.base import Wire

DENIED_SECONDS = 0.35
"""How long nothing must come where nothing may."""
TCP_PORTS = (80, 443, 8080, 8085, 8090)
UDP_PORTS = (53, 5353)
OUTSIDE, OUTSIDE_EXCEPT = "203.0.113.9", "203.0.113.77"


class Namespace:
    """A network namespace, and a thread that lives in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._pool = ThreadPoolExecutor(1)
        self._ready = threading.Event()
        self.descriptor: int = self._pool.submit(self._enter).result()
        self.run("ip link set lo up")

    @staticmethod
    def _enter() -> int:
        kernel.unshare(kernel.CLONE_NEWNET)
        for path in ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad"):
            Path(f"/proc/sys/net/{path}").write_text("0")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def call(self, function, *arguments):
        return self._pool.submit(function, *arguments).result()

    def run(self, commands: str, *, input_: str | None = None) -> str:
        def body() -> subprocess.CompletedProcess[str]:
            return subprocess.run(["sh", "-ec", commands], input=input_, capture_output=True, text=True)

        done: subprocess.CompletedProcess[str] = self.call(body)
        assert done.returncode == 0, f"{self.name}: {commands}: {done.stderr} {input_ or ''}"
        return done.stdout

    def close(self) -> None:
        self._pool.shutdown()
        os.close(self.descriptor)


class Echo:
    """Answers TCP and UDP in many namespaces, from one thread: each connection gets its peer's address and is closed."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def listen(self, namespace: Namespace, family: int = socket.AF_INET) -> None:
        for kind, ports in ((socket.SOCK_STREAM, TCP_PORTS), (socket.SOCK_DGRAM, UDP_PORTS)):
            for port in ports:
                own = namespace.call(socket.socket, family, kind)
                own.setblocking(False)
                own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                own.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
                if kind == socket.SOCK_STREAM:
                    own.listen(64)
                self._selector.register(own, selectors.EVENT_READ, kind)

    def start(self) -> None:
        self._thread.start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                own = key.fileobj
                assert isinstance(own, socket.socket)
                with contextlib.suppress(OSError):
                    if key.data == socket.SOCK_STREAM:
                        own.accept()[0].close()
                    else:
                        _, peer = own.recvfrom(100)
                        own.sendto(b"here", peer)

    def close(self) -> None:
        self._waker.send(b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._waker.close()


class Node:
    def __init__(self, name: str, number: int, directory: Path) -> None:
        self.name, self.number = name, number
        self.namespace = Namespace(name)
        settings = Settings(
            home=directory / name,
            run_dir=directory / name,
            server="",
            token="",
            ca_file=None,
            node_name=name,
            cgroup_parent="",
        )
        self.bridge = f"slip{settings.instance}"
        self.policies = Policies(settings, nft=self.nft)
        self.scripts: list[str] = []
        self.namespace.run(
            f"ip link add {self.bridge} type bridge; ip link set {self.bridge} up;"
            f"ip addr add 10.178.{number}.1/24 dev {self.bridge}; ip addr add fd78:{number}::1/64 dev {self.bridge};"
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
        )

    async def nft(self, text: str) -> None:
        self.scripts.append(text)
        try:
            await asyncio.to_thread(self.namespace.run, "nft -f -", input_=text)
        except AssertionError as error:
            raise NetworkError(str(error)) from error

    def add_pod(self, host: int) -> Namespace:
        """At 10.178.<node>.<host>, as the agent connects pods: alone with its gateway."""
        pod = Namespace(f"{self.name}-{host}")
        veth, four, six = f"v{host}", f"10.178.{self.number}", f"fd78:{self.number}:"
        commands = f"ip link add {veth} type veth peer name eth0 netns /proc/self/fd/{pod.descriptor}"
        self.namespace.call(
            lambda: subprocess.run(["sh", "-ec", commands], pass_fds=[pod.descriptor], check=True, capture_output=True)
        )
        self.namespace.run(f"ip link set {veth} master {self.bridge} up")
        pod.run(
            f"ip addr add {four}.{host}/32 dev eth0; ip link set eth0 up; ip route add {four}.1 dev eth0;"
            f"ip route add default via {four}.1; ip addr add {six}:{host:x}/128 dev eth0;"
            f"ip -6 route add {six}:1 dev eth0; ip -6 route add default via {six}:1"
        )
        return pod


class World:
    """``pods``: their wires, as the control plane projects them. A pod's address ends with its place in the list plus 10."""

    def __init__(self, directory: Path, namespaces: Iterable[Wire], pods: Iterable[Wire]) -> None:
        self.nodes = {name: Node(name, number, directory) for number, name in enumerate("ab", start=1)}
        self.outside = Namespace("outside")
        self._echo = Echo()
        self._join()
        self.pods: dict[str, Namespace] = {}
        self.addresses: dict[str, tuple[str, str]] = {}
        self.base = [*namespaces, *self._node_wires()]
        for host, wire in enumerate(pods, start=10):
            node = self.nodes[wire["spec"]["nodeName"]]
            name = f"{wire['metadata']['namespace']}/{wire['metadata']['name']}"
            self.addresses[name] = f"10.178.{node.number}.{host}", f"fd78:{node.number}::{host:x}"
            self.pods[name] = node.add_pod(host)
            self.base.append({**wire, "kind": "Pod", "status": {"podIPs": [{"ip": ip} for ip in self.addresses[name]]}})
        for namespace in (*self.pods.values(), self.outside, *(node.namespace for node in self.nodes.values())):
            self._echo.listen(namespace)
        for namespace in self.pods.values():
            namespace.run("sysctl -qw net.ipv6.bindv6only=1")
            self._echo_six(namespace)
        self._echo.start()
        self.view = ClusterView(self.base)

    def _echo_six(self, namespace: Namespace) -> None:
        self._echo.listen(namespace, socket.AF_INET6)

    def _join(self) -> None:
        """One segment for both nodes and the outside."""
        self.outside.run("ip link add seg type bridge; ip link set seg up; ip addr add 192.0.2.254/24 dev seg")
        self.outside.run(f"ip addr add {OUTSIDE}/32 dev lo; ip addr add {OUTSIDE_EXCEPT}/32 dev lo")
        self.outside.run("ip addr add fd00:2::fe/64 dev seg")
        for node in self.nodes.values():
            commands = (
                f"ip link add to-{node.name} type veth peer name out0 netns /proc/self/fd/{node.namespace.descriptor}"
            )
            self.outside.call(
                lambda commands=commands, node=node: subprocess.run(
                    ["sh", "-ec", commands], pass_fds=[node.namespace.descriptor], check=True, capture_output=True
                )
            )
            self.outside.run(
                f"ip link set to-{node.name} master seg up; ip route add 10.178.{node.number}.0/24 via 192.0.2.{node.number}"
            )
            other = 3 - node.number
            node.namespace.run(
                f"ip addr add 192.0.2.{node.number}/24 dev out0; ip addr add fd00:2::{node.number}/64 dev out0;"
                f"ip link set out0 up; ip route add default via 192.0.2.254;"
                f"ip route add 10.178.{other}.0/24 via 192.0.2.{other}; ip -6 route add fd78:{other}::/64 via fd00:2::{other}"
            )

    def _node_wires(self) -> list[Wire]:
        return [
            {
                "kind": "Node",
                "metadata": {"name": node.name},
                "spec": {"podCIDRs": [f"10.178.{node.number}.0/24", f"fd78:{node.number}::/64"]},
            }
            for node in self.nodes.values()
        ]

    async def set(self, *objects: Wire) -> None:
        """These on top of nodes, namespaces and pods; those of the same kind and name in their place."""

        def key(wire: Wire) -> tuple[str, str, str]:
            return wire["kind"], wire["metadata"].get("namespace", ""), wire["metadata"]["name"]

        self.view.replace({key(wire): wire for wire in [*self.base, *objects]}.values())
        for node in self.nodes.values():
            await node.policies.apply(self.view, frozenset())

    def source(self, name: str) -> Namespace:
        if name == "outside":
            return self.outside
        return self.nodes[name].namespace if name in self.nodes else self.pods[name]

    def target(self, name: str, *, version: int = 4) -> str:
        if name in ("outside", "outside-except"):
            return OUTSIDE if name == "outside" else OUTSIDE_EXCEPT
        if name in self.nodes:
            return f"10.178.{self.nodes[name].number}.1"
        return self.addresses[name][0 if version == 4 else 1]

    async def reach(self, attempts: Iterable[tuple[str, str, int, str]], *, version: int = 4) -> list[bool]:
        """Whether each (source, target, port, tcp|udp) connects, all at once."""
        tasks = [asyncio.create_task(self._reach(*each, version=version)) for each in attempts]
        _, silent = await asyncio.wait(tasks, timeout=DENIED_SECONDS)
        if silent:
            await self._answer()
            await asyncio.wait(silent, timeout=DENIED_SECONDS / 4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [not task.cancelled() and task.result() for task in tasks]

    async def _answer(self) -> None:
        """Nobody forbids this: on a machine that is busy it takes its time, as what was allowed before it does."""
        loop = asyncio.get_running_loop()
        with self.outside.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.setblocking(False)
            await loop.sock_connect(own, (OUTSIDE, UDP_PORTS[0]))
            await loop.sock_sendall(own, b"hello")
            async with asyncio.timeout(60):
                assert await loop.sock_recv(own, 10) == b"here"

    async def _reach(self, source: str, target: str, port: int, protocol: str, *, version: int) -> bool:
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        loop = asyncio.get_running_loop()
        own = self.source(source).call(socket.socket, family, kind)
        with own:
            own.setblocking(False)
            await loop.sock_connect(own, (self.target(target, version=version), port))
            if kind == socket.SOCK_STREAM:
                return True
            await loop.sock_sendall(own, b"hello")
            return await loop.sock_recv(own, 10) == b"here"

    def close(self) -> None:
        self._echo.close()
        for namespace in (*self.pods.values(), self.outside, *(node.namespace for node in self.nodes.values())):
            namespace.close()
