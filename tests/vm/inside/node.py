"""One node of the encrypted cluster: the agent's network, and this program in place of the rest of the agent.

Runs in the node's network namespace and is told what to do by lines of JSON, each answered by one.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

from nodeagent import kernel
from nodeagent.cluster import ClusterView, Key
from nodeagent.errors import AgentError
from nodeagent.network import encrypted, wireguard
from nodeagent.network.overlay import Overlay
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import instance, pod

encrypted.TICK_SECONDS = 600.0
"""It is asked to `look`. By itself it would begin again every few seconds, which a pass takes in an emulated machine."""


class Passes(Overlay):
    """Counted. Whether a consumer is idle says little where there is always another pass to come."""

    begun = done = 0

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        self.begun += 1
        number = self.begun
        await super().apply(view, changed)
        self.done = number


class Node:
    def __init__(self, settings: Any, cidrs: list[str], cluster: list[str]) -> None:
        self.cidrs, self.cluster = cidrs, cluster
        self.view = ClusterView()
        self.network = BridgeNetwork(settings)
        self.now: float | None = None
        self.overlay = Passes(settings, clock=lambda: time.time() if self.now is None else self.now)

    async def start(self) -> Any:
        await self.network.start(pod_cidrs=self.cidrs, cluster_cidrs=self.cluster)
        self.view.subscribe(self.overlay)
        return True

    async def view_is(self, wires: list[Any]) -> Any:
        self.view.replace(wires)
        return True

    async def clock_is(self, now: float) -> Any:
        """From now on, and standing still: handshakes go on having the time of the kernel."""
        self.now = now
        self.view.poke(self.overlay.name)
        return True

    async def look(self) -> Any:
        """As the agent does by itself every few seconds: until a pass is over that began after this was asked for."""
        wanted = self.overlay.begun + 1
        self.view.poke(self.overlay.name)
        while self.overlay.done < wanted:
            if problem := await self.problem():
                raise AgentError(problem)
            await asyncio.sleep(0.2)
        return True

    async def problem(self) -> Any:
        return self.view.problems.get("overlay", "")

    async def report(self) -> Any:
        way = self.overlay.encrypted
        if way is None:
            return {"keys": [], "problem": ""}
        found = await asyncio.to_thread(way.report)
        return {"keys": list(found.keys), "problem": found.problem, "message": found.message}

    async def held(self) -> Any:
        """By slot, what the kernel has: the own public key, and the keys of the peers."""
        way = self.overlay.encrypted
        devices = [wireguard.Device(name) for name in way.devices] if way else []

        def ask() -> Any:
            return [[device.identity()[0], sorted(peer.key for peer in device.peers())] for device in devices]

        return await asyncio.to_thread(ask)

    async def pod(self) -> Any:
        made = await self.network.create(pod(), hostname="p")
        return {"namespace": f"/proc/{os.getpid()}/root{made.network}", "addresses": list(made.addresses)}

    async def remove(self) -> Any:
        await self.view.abandon()
        await self.network.remove_everything()
        return True


async def main(words: dict[str, Any], orders: int, answers: int) -> None:
    """``orders`` and ``answers`` are ends of pipes."""
    reader = asyncio.StreamReader(limit=1 << 24)
    source = os.fdopen(orders, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    with instance() as settings:
        node = Node(replace(settings, **words["settings"]), words["cidrs"], words["cluster"])
        while line := await reader.readline():
            name, *arguments = json.loads(line)
            try:
                answer = {"answer": await getattr(node, name)(*arguments)}
            except AgentError as error:
                answer = {"error": str(error)}
            os.write(answers, json.dumps(answer).encode() + b"\n")


_of_others: list[int] = []
"""The ends that this process has. A fork inherits them: while one has another's, that does not see its orders end."""


def fork(namespace: str, words: dict[str, Any]) -> tuple[int, int, int]:
    """(process, where to write orders, where to read answers). A fork, because imports take very long in there."""
    (its_orders, orders), (answers, its_answers) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid:
        _of_others.extend((orders, answers))
        os.close(its_orders)
        os.close(its_answers)
        return pid, orders, answers
    code = 1
    try:
        for each in (orders, answers, *_of_others):
            os.close(each)
        logging.basicConfig(level=logging.WARNING, stream=sys.__stderr__, force=True)
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
        kernel.setns(descriptor, kernel.CLONE_NEWNET)
        kernel.unshare(kernel.CLONE_NEWNS)
        subprocess.run(["sh", "-ec", "mount --make-rprivate /; mount -t sysfs sysfs /sys"], check=True)
        asyncio.run(main(words, its_orders, its_answers))
        code = 0
    finally:
        os._exit(code)
