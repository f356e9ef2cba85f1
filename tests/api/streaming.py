"""Real clients and a scripted agent on both ends of the web application's streams."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets

from controlplane.access import tokens
from controlplane.nodes import channels
from controlplane.store import objects, pool
from schema import kinds
from tests import agents

V5, V4 = channels.V5, channels.V4
POD = "/api/v1/namespaces/default/pods/web"
SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()


def pod(*containers: str, status: dict[str, Any] | None = None, node: str = "n1") -> dict[str, Any]:
    spec = {"nodeName": node, "containers": [{"name": name, "image": "x"} for name in containers or ("main",)]}
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": spec, "status": status or {}}


async def create(wire: dict[str, Any]) -> dict[str, Any]:
    return await pool.run(objects.create, kinds.POD, wire)


@asynccontextmanager
async def agent_of(address: str, streams, **options):
    token = await pool.run(tokens.issue_for_node, "n1")
    async with agents.connect(f"ws://{address}", token=token, node="n1", streams=streams, **options) as agent:
        yield agent


@asynccontextmanager
async def client_of(address: str, headers: dict[str, Any]):
    async with httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=30) as client:
        yield client


def dial(address: str, path: str, headers: dict[str, Any], *protocols: str, **options):
    return websockets.connect(
        f"ws://{address}{path}",
        additional_headers=headers,
        subprotocols=[websockets.Subprotocol(protocol) for protocol in protocols] or None,
        max_size=None,
        compression=None,
        **options,
    )
