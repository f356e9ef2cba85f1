"""Exec, attach and port-forward between real clients and a scripted agent, through uvicorn with wsproto."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import websockets

from controlplane.access import tokens, users
from controlplane.store import pool
from schema.session import ExecOptions, StreamKind
from tests import agents, live
from tests.api.streaming import POD, SUCCESS, V4, V5, agent_of, client_of, create, dial, pod

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stream_routes")]


async def echo(request, websocket):
    """Says back what it hears, and exits when its input ends."""
    await agents.opened(websocket)
    async for frame in websocket:
        if frame[0] == 0:
            await websocket.send(b"\x01" + frame[1:])
        elif frame == b"\xff\x00":
            await websocket.send(SUCCESS)
            await websocket.close()


async def test_exec_carries_both_ways_and_ends_with_the_status(address, admin):
    await create(pod())
    async with (
        agent_of(address, echo) as agent,
        dial(
            address, f"{POD}/exec?command=cat&command=-u&stdin=true&stdout=true&stderr=true", admin, V5, V4
        ) as websocket,
    ):
        assert websocket.subprotocol == V5
        await websocket.send(b"\x00hello \x00\xff")
        assert await websocket.recv() == b"\x01hello \x00\xff"
        await websocket.send(b"\xff\x00")
        assert [frame async for frame in websocket] == [SUCCESS]
        assert websocket.close_code == 1000
        assert agent.asked[0].exec == ExecOptions(
            command=["cat", "-u"], stdin=True, stdout=True, stderr=True, tty=False
        )


async def test_an_old_client_speaks_v4_and_text(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        assert await websocket.recv() == "\x00grüß".encode()
        await websocket.send(b"\x01out")
        await websocket.send(b"\xff\x01")
        await websocket.send(SUCCESS)
        await websocket.close()

    await create(pod())
    async with (
        agent_of(address, serve),
        dial(address, f"{POD}/exec?command=x&stdin=True&stdout=1", admin, V4) as websocket,
    ):
        assert websocket.subprotocol == V4
        await websocket.send("\x00grüß")
        assert [frame async for frame in websocket] == [b"\x01out", SUCCESS]
        assert websocket.close_code == 1000


async def test_a_lost_agent_ends_exec_with_a_failure_and_a_clean_close(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.send(b"\x01out")
        websocket.transport.abort()

    await create(pod())
    async with agent_of(address, serve), dial(address, f"{POD}/exec?command=x&stdout=1", admin, V5) as websocket:
        frames = [frame async for frame in websocket]
        assert frames[0] == b"\x01out"
        assert json.loads(frames[1][1:])["status"] == "Failure"
        assert websocket.close_code == 1000


async def test_a_client_that_leaves_ends_the_exec(address, admin):
    ended = asyncio.Event()

    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.wait_closed()
        ended.set()

    await create(pod())
    async with agent_of(address, serve):
        async with dial(address, f"{POD}/exec?command=x&stdout=1", admin, V5):
            pass
        async with asyncio.timeout(60):
            await ended.wait()


async def test_attach_has_no_command(address, admin):
    await create(pod())
    async with (
        agent_of(address, echo) as agent,
        dial(address, f"{POD}/attach?stdin=1&stdout=1&tty=1", admin, V5) as websocket,
    ):
        await websocket.send(b"\x00x")
        assert await websocket.recv() == b"\x01x"
        assert agent.asked[0].kind is StreamKind.ATTACH
        assert agent.asked[0].exec == ExecOptions(command=[], stdin=True, stdout=True, stderr=False, tty=True)


OVER = {"phase": "Succeeded"}
_EXEC_REFUSALS = [
    (pod(), "command=x&stdout=1", (), 400),
    (pod(), "command=x&stdout=1", ("v3.channel.k8s.io",), 400),
    (pod(), "stdout=1", (V5,), 400),
    (pod(), "command=x", (V5,), 400),
    (pod("a", "b"), "command=x&stdout=1", (V5,), 400),
    (pod(node=""), "command=x&stdout=1", (V5,), 400),
    (pod(status=OVER), "command=x&stdout=1", (V5,), 400),
    (pod(), "command=x&stdout=1", (V5,), 503),
    (None, "command=x&stdout=1", (V5,), 404),
]


@pytest.mark.parametrize(("wire", "query", "protocols", "code"), _EXEC_REFUSALS)
async def test_exec_is_refused_in_http(address, admin, wire, query, protocols, code):
    if wire:
        await create(wire)
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with dial(address, f"{POD}/exec?{query}", admin, *protocols):
            pass
    body = json.loads(caught.value.response.body)
    assert (caught.value.response.status_code, body["kind"], body["code"]) == (code, "Status", code)


async def test_the_post_that_follows_is_refused_alike(address, admin):
    async def serve(request, websocket):
        await agents.refused(websocket, 500, "the container is not running", "InternalError")

    await create(pod())
    query = "command=x&stdout=true"
    with live.redis_server():
        async with agent_of(address, serve) as agent, client_of(address, admin) as client:
            with pytest.raises(websockets.InvalidStatus):
                async with dial(address, f"{POD}/exec?{query}", admin, V5):
                    pass
            response = await client.post(
                f"{POD}/exec?{query}", headers={"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}
            )
            assert (response.status_code, response.json()["message"]) == (500, "the container is not running")
            other = await client.post(f"{POD}/exec?command=y&stdout=true")
            assert other.status_code == 400
            assert "WebSocket" in other.json()["message"]
            assert len(agent.asked) == 1  # a POST never runs anything


@pytest.mark.parametrize("role", ["view", "edit"])
async def test_exec_needs_edit(address, role):
    from controlplane.access.models import Grant

    def make():
        user = users.create("bob", password=None)
        Grant.objects.create(user=user, role=role, namespace="default")
        return tokens.issue_for_user(user, "t")

    headers = {"Authorization": "Bearer " + await pool.run(make)}
    await create(pod())
    async with agent_of(address, echo):
        connection = dial(address, f"{POD}/exec?command=x&stdin=1&stdout=1", headers, V5)
        if role == "edit":
            async with connection as websocket:
                await websocket.send(b"\x00x")
                assert await websocket.recv() == b"\x01x"
        else:
            with pytest.raises(websockets.InvalidStatus) as caught:
                await connection
            assert caught.value.response.status_code == 403


# The agent's end


async def _asked(address, admin, agent) -> tuple[asyncio.Task[Any], str]:
    """A log request that waits for the agent, and its stream's id."""

    async def get():
        async with client_of(address, admin) as client:
            return await client.get(f"{POD}/log")

    waiting = asyncio.create_task(get())
    await agent.until(lambda: agent.asked)
    return waiting, agent.asked[-1].stream_id


async def _join(address: str, stream: str, node: str) -> int:
    headers = {"Authorization": "Bearer " + await pool.run(tokens.issue_for_node, node)}
    try:
        async with dial(address, f"/agent/v1/streams/{stream}", headers) as websocket:
            await agents.opened(websocket)
            await websocket.close()
    except websockets.InvalidStatus as refused:
        return refused.response.status_code
    return 101


async def test_a_stream_is_joined_once_by_its_node_only(address, admin):
    await create(pod())
    async with agent_of(address, None) as agent:
        waiting, stream = await _asked(address, admin, agent)
        assert await _join(address, stream, "n2") == 404
        assert await _join(address, "0" * 32, "n1") == 404
        assert await _join(address, "rubbish", "n1") == 404
        assert await _join(address, stream, "n1") == 101
        assert (await waiting).status_code == 200
        assert await _join(address, stream, "n1") == 404


# Back-pressure


async def test_a_slow_reader_slows_the_agent(address, admin):
    sent = 0
    piece = b"x" * 65536

    async def serve(request, websocket):
        nonlocal sent
        await agents.opened(websocket)
        for _ in range(800):  # 50 MiB
            await websocket.send(b"\x01" + piece)
            sent += len(piece)
        await websocket.send(SUCCESS)
        await websocket.close()

    await create(pod())
    async with (
        agent_of(address, serve),
        dial(address, f"{POD}/exec?command=x&stdout=1", admin, V5, max_queue=1) as websocket,
    ):
        received = len(await websocket.recv()) - 1
        held_back = None
        while held_back != sent:
            held_back = sent
            await asyncio.sleep(0.3)
        assert sent < 24 * 1024 * 1024  # sockets' buffers and one window; far from all of it
        async for frame in websocket:
            received += len(frame) - 1 if frame[0] == 1 else 0
        assert received == 800 * len(piece)


# Port-forward


async def test_the_python_clients_port_forward(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        async for frame in websocket:
            await websocket.send(b"%d:" % request.port + frame)

    await create(pod())
    async with agent_of(address, serve), dial(address, f"{POD}/portforward?ports=80,8080", admin, V5, V4) as websocket:
        assert websocket.subprotocol == V4
        opening = [await websocket.recv() for _ in range(4)]
        assert opening == [b"\x00P\x00", b"\x01P\x00", b"\x02\x90\x1f", b"\x03\x90\x1f"]
        await websocket.send(b"\x02hello")
        assert await websocket.recv() == b"\x028080:hello"
        await websocket.send(b"\x00hi")
        assert await websocket.recv() == b"\x0080:hi"


async def test_a_refused_port_is_a_refused_request(address, admin):
    async def serve(request, websocket):
        await agents.refused(websocket, 500, "connection refused", "InternalError")

    await create(pod())
    async with agent_of(address, serve):
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with dial(address, f"{POD}/portforward?ports=80", admin, V4):
                pass
        assert caught.value.response.status_code == 500
