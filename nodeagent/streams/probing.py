"""Probes: which of some addresses answer from this node and from a pod of it. Connections are made and closed at once."""

from __future__ import annotations

import asyncio
import socket as sockets
import time
from collections.abc import Iterable
from pathlib import Path

from nodeagent.pods.record import Record
from nodeagent.streams.port_forward import socket_in
from schema import probes
from schema.base import Wire
from schema.session import ProbeTarget

AT_ONCE = 64
"""So that 64 addresses from two places take two seconds at the most."""


async def probe(targets: Iterable[ProbeTarget], *, namespace: str, records: Iterable[Record]) -> list[Wire]:
    """Each target from the node and from a pod of ``namespace`` (of another where there is none here)."""
    pod = a_pod(namespace, records)
    places: list[tuple[Wire, Path | None]] = [({"from": "Node"}, None)]
    if pod is not None and pod.sandbox is not None:
        places.append(({"from": "Pod", "pod": f"{pod.namespace}/{pod.name}"}, pod.sandbox.network))
    limit = asyncio.Semaphore(AT_ONCE)
    tries = [_try(target, where, path, limit) for target in targets for where, path in places]
    return list(await asyncio.gather(*tries))


def a_pod(namespace: str, records: Iterable[Record]) -> Record | None:
    """The first by name, those of the namespace before others: policies may tell them apart."""
    able = [each for each in records if each.sandbox is not None and each.sandbox.network is not None]
    return min(able, key=lambda each: (each.namespace != namespace, each.namespace, each.name), default=None)


async def _try(target: ProbeTarget, where: Wire, path: Path | None, limit: asyncio.Semaphore) -> Wire:
    about = {"address": target.address, "port": target.port, **where}
    async with limit:
        try:
            return about | probes.answers(await _connect(target, path))
        except OSError as error:  # TimeoutError is one
            return about | probes.failed(error)


async def _connect(target: ProbeTarget, path: Path | None) -> float:
    """Seconds."""
    family = sockets.AF_INET6 if ":" in target.address else sockets.AF_INET
    with await asyncio.to_thread(socket_in, path, family) as endpoint:
        began = time.perf_counter()
        async with asyncio.timeout(probes.DEADLINE_SECONDS):
            await asyncio.get_running_loop().sock_connect(endpoint, (target.address, target.port))
        return time.perf_counter() - began
