"""One node of the encrypted cluster: the agent's network, and this program in place of the rest of the agent.

Runs in the node's network namespace and is told what to do by lines of JSON, each answered by one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from dataclasses import replace
from typing import Any

from nodeagent.cluster import ClusterView
from nodeagent.errors import AgentError
from nodeagent.network.overlay import Overlay
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import instance, pod


class Node:
    def __init__(self, settings: Any, cidrs: list[str], cluster: list[str]) -> None:
        self.cidrs, self.cluster = cidrs, cluster
        self.view = ClusterView()
        self.network = BridgeNetwork(settings)
        self.overlay = Overlay(settings)

    async def start(self) -> Any:
        await self.network.start(pod_cidrs=self.cidrs, cluster_cidrs=self.cluster)
        self.view.subscribe(self.overlay)
        return True

    async def view_is(self, wires: list[Any]) -> Any:
        self.view.replace(wires)
        return True

    async def problem(self) -> Any:
        return self.view.problems.get("overlay", "")

    async def report(self) -> Any:
        way = self.overlay.encrypted
        if way is None:
            return {"keys": [], "problem": ""}
        found = await asyncio.to_thread(way.report)
        return {"keys": list(found.keys), "problem": found.problem, "message": found.message}

    async def pod(self) -> Any:
        made = await self.network.create(pod(), hostname="p")
        return {"namespace": str(made.network), "addresses": list(made.addresses)}

    async def remove(self) -> Any:
        await self.view.abandon()
        await self.network.remove_everything()
        return True


async def main(words: dict[str, Any]) -> None:
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with instance() as settings:
        node = Node(replace(settings, **words["settings"]), words["cidrs"], words["cluster"])
        while line := await reader.readline():
            name, *arguments = json.loads(line)
            try:
                answer = {"answer": await getattr(node, name)(*arguments)}
            except AgentError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    logging.basicConfig(level="WARNING", stream=sys.stderr)
    asyncio.run(main(json.loads(sys.argv[1])))
