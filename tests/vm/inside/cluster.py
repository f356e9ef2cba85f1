"""Nodes that encrypt: processes of node.py in network namespaces on one segment, and what tells them of each other."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from typing import Any

from tests.vm.inside.node import fork

CLUSTER = ["10.177.0.0/16", "fd77::/32"]
SLOW_SECONDS = 1200.0
"""After which something hangs. Everything is slow in an emulated machine, and slower yet beside other work."""
BEGIN = time.time() + 10
PERIOD_SECONDS = BEGIN / (2 * round(BEGIN / 14_400))
"""About two hours. Nodes are told the time; `BEGIN`, close to the kernel's own, by which handshakes are dated, begins a period of
slot a."""
SEGMENT = "under0"


class Node:
    """A process of node.py in a namespace of its own."""

    def __init__(self, number: int, *, encryption: str = "wireguard") -> None:
        self.name, self.number = f"n{number}", number
        self.address = f"192.0.2.{number}"
        self.cidrs = [f"10.177.{number}.0/24", f"fd77:{number}::/64"]
        self._make_namespace()
        words = {
            "cidrs": self.cidrs,
            "cluster": CLUSTER,
            "settings": {
                "node_name": self.name,
                "encryption": encryption,
                "wireguard_rotation_seconds": PERIOD_SECONDS,
            },
        }
        self.pid, orders, answers = fork(self.name, words)
        self._orders, self._answers = os.fdopen(orders, "w"), os.fdopen(answers)
        self._lock = threading.Lock()

    def _make_namespace(self) -> None:
        inside, outside = f"in{self.number}", f"out{self.number}"
        script = f"""
            ip netns add {self.name}
            ip link add {outside} type veth peer name {inside} netns {self.name}
            ip link set {outside} master {SEGMENT} up
            ip -n {self.name} link set lo up
            ip -n {self.name} addr add {self.address}/24 dev {inside}
            ip -n {self.name} link set {inside} up
            ip -n {self.name} route add default via 192.0.2.254
        """
        subprocess.run(["sh", "-ec", script], check=True)

    def inside(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def shown(self, *argv: str) -> str:
        return subprocess.check_output(self.inside(*argv), text=True)

    def ask(self, *words: Any) -> Any:
        with self._lock:
            self._orders.write(json.dumps(words) + "\n")
            self._orders.flush()
            if not select.select([self._answers], [], [], SLOW_SECONDS)[0]:
                os.kill(self.pid, signal.SIGUSR1)  # it says where its threads are
                raise RuntimeError(f"{self.name} does not answer {words[0]}")
            answer = json.loads(self._answers.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    def wire(self) -> Any:
        keys = self.ask("report")["keys"]
        return {
            "kind": "Node",
            "metadata": {"name": self.name},
            "spec": {"podCIDR": self.cidrs[0], "podCIDRs": self.cidrs},
            "status": {
                "addresses": [{"type": "InternalIP", "address": self.address}],
                **({"wireguard": keys} if keys else {}),
            },
        }

    def close(self) -> None:
        self._orders.close()
        self._answers.close()
        os.waitpid(self.pid, 0)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class ControlPlane(threading.Thread):
    """Says to every node what all of them say, when that changes."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.stop = nodes, threading.Event()
        self.said: list[Any] = []
        self.lock = threading.Lock()

    def step(self) -> None:
        with self.lock:
            cluster = {
                "kind": "Cluster",
                "metadata": {"name": "cluster"},
                "spec": {"vni": 7, "podNetwork": ",".join(CLUSTER)},
            }
            view = [cluster, *(node.wire() for node in self.nodes)]
            if view != self.said:
                for node in self.nodes:
                    node.ask("view_is", view)
                self.said = view

    def run(self) -> None:
        while not self.stop.wait(1):
            self.step()


class Cluster:
    def __init__(self) -> None:
        self.nodes = [Node(number) for number in (1, 2, 3)]
        self.plain = Node(4, encryption="off")
        for node in self.nodes:
            node.ask("start")
        self.at(BEGIN - 10)
        self.control_plane = ControlPlane(list(self.nodes))
        self.control_plane.step()
        self.pods = [node.ask("pod") for node in self.nodes]
        self.control_plane.start()

    def at(self, now: float) -> None:
        for node in self.nodes:
            node.ask("clock_is", now)

    def carrying(self) -> set[str]:
        """Letters of the slots by which nodes send to each other's pods."""
        found: set[str] = set()
        for node in self.nodes:
            node.ask("look")
            for family in ("-4", "-6"):
                ways = json.loads(node.shown("ip", family, "-j", "route", "show", "proto", "83"))
                assert len(ways) == len(self.nodes) - 1
                found |= {way["dev"][-1] for way in ways}
        return found

    def keys(self) -> dict[str, list[str]]:
        """By node and slot, as everybody has been told."""
        nodes = [wire for wire in self.control_plane.said if wire["kind"] == "Node"]
        return {wire["metadata"]["name"]: [key["publicKey"] for key in wire["status"]["wireguard"]] for wire in nodes}

    def keys_are_held(self, slot: int) -> bool:
        """By every kernel: its own node's and those of the others."""
        keys = {name: own[slot] for name, own in self.keys().items()}
        for node in self.nodes:
            own, peers = node.ask("held")[slot]
            if (own, peers) != (keys[node.name], sorted(key for name, key in keys.items() if name != node.name)):
                return False
        return True

    def close(self) -> None:
        self.control_plane.stop.set()
        self.control_plane.join()
        for node in (*self.nodes, self.plain):
            node.close()


def inside_pod(pod: Any, *argv: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["nsenter", f"--net={pod['namespace']}", *argv],
        text=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        **options,
    )
