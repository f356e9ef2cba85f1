"""Logs, exec, attach and port-forward between real clients and a scripted agent, through uvicorn with wsproto."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from controlplane.access import tokens, users
from controlplane.nodes import channels, hub
from controlplane.store import feed, objects, pool
from schema import kinds
from schema.session import ExecOptions, StreamKind
from tests import agents, live
from tests.api.nodes_application import application

pytestmark = pytest.mark.django_db(transaction=True)

V5, V4 = channels.V5, channels.V4
POD = "/api/v1/namespaces/default/pods/web"
SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()


@pytest.fixture(autouse=True)
def _routes(settings):
    settings.ROOT_URLCONF = "controlplane.api.streams"
    tokens.forget()


@pytest.fixture
async def address():
    async with live.serve(application) as found:
        yield found
    await hub.current().aclose()
    await feed.stop()


@pytest.fixture
async def admin():
    user, _ = await pool.run(users.ensure_admin)
    return {"Authorization": "Bearer " + await pool.run(tokens.issue_for_user, user, "test")}


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


# Logs


async def test_a_log_arrives_whole_with_its_options(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.send(b"one\n")
        await websocket.send(b"two\n")
        await websocket.close()

    await create(pod())
    async with agent_of(address, serve) as agent, client_of(address, admin) as client:
        query = {"tailLines": 5, "limitBytes": 100, "timestamps": "true", "sinceSeconds": 60, "follow": "false"}
        response = await client.get(f"{POD}/log", params=query)
        assert (response.status_code, response.content) == (200, b"one\ntwo\n")
        assert response.headers["content-type"].startswith("text/plain")
        request = agent.asked[0]
        assert (request.kind, request.container) == (StreamKind.LOG, "main")
        assert request.log is not None
        assert (request.log.tail_lines, request.log.limit_bytes, request.log.timestamps, request.log.follow) == (
            5,
            100,
            True,
            False,
        )
        assert request.log.since_time is not None


async def test_a_followed_log_arrives_piece_by_piece(address, admin):
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(request, websocket):
        await agents.opened(websocket)
        for number in range(3):
            await websocket.send(b"%d\n" % number)
            # The next piece is written only once the client has this one: a gathered response would never end.
            assert await heard.get() == b"%d\n" % number
        await websocket.close()

    await create(pod())
    async with (
        agent_of(address, serve),
        client_of(address, admin) as client,
        client.stream("GET", f"{POD}/log?follow=true") as response,
    ):
        async for piece in response.aiter_raw():
            heard.put_nowait(piece)
    assert response.status_code == 200


async def test_a_client_that_leaves_ends_the_agents_stream(address, admin):
    ended = asyncio.Event()

    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.send(b"line\n")
        await websocket.wait_closed()
        ended.set()

    await create(pod())
    async with agent_of(address, serve), client_of(address, admin) as client:
        async with client.stream("GET", f"{POD}/log?follow=1") as response:
            async for _ in response.aiter_raw():
                break
        async with asyncio.timeout(60):
            await ended.wait()


async def test_a_log_that_is_cut_does_not_look_finished(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.send(b"line\n")
        websocket.transport.abort()

    await create(pod())
    async with agent_of(address, serve), client_of(address, admin) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{POD}/log?follow=1")


WAITING = {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
RUNNING = {"containerStatuses": [{"name": "main", "state": {"running": {}}, "restartCount": 0}]}

_LOG_REFUSALS = [
    (pod(), "container=other", 400, "container other is not valid for pod web"),
    (pod("a", "b"), "", 400, "a container name must be specified for pod web, choose one of: [a b]"),
    (pod(status=WAITING), "", 400, 'container "main" in pod "web" is waiting to start: ContainerCreating'),
    (pod(status=RUNNING), "previous=true", 400, 'previous terminated container "main" in pod "web" not found'),
    (pod(node=""), "", 400, "pod web is not assigned to a node yet; `kubectl describe pod web` says why"),
    (pod(), "tailLines=-1", 422, None),
    (pod(), "tailLines=many", 400, None),
    (pod(), "sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", 422, None),
    (pod(), "sinceTime=yesterday", 400, None),
    (pod(), "limitBytes=0", 422, None),
    (pod(), "", 503, 'node "n1" is not connected: its agent has no session with the control plane'),
]


@pytest.mark.parametrize(("wire", "query", "code", "message"), _LOG_REFUSALS)
async def test_a_log_that_cannot_be_had_is_refused_with_a_status(address, admin, wire, query, code, message):
    await create(wire)
    async with client_of(address, admin) as client:
        response = await client.get(f"{POD}/log?{query}")
        assert response.status_code == code
        body = response.json()
        assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", code)
        assert message is None or body["message"] == message


async def test_who_may_not_read_a_log_learns_nothing_of_the_pod(address):
    user = await pool.run(lambda: users.create("charlie", password=None))
    headers = {"Authorization": "Bearer " + await pool.run(tokens.issue_for_user, user, "t")}
    async with client_of(address, headers) as client:
        absent = await client.get(f"{POD}/log")
        await create(pod())
        present = await client.get(f"{POD}/log")
    assert (absent.status_code, absent.json()) == (present.status_code, present.json())
    assert present.status_code == 403


async def test_a_strangers_log_request_gets_401(address):
    async with client_of(address, {}) as client:
        response = await client.get(f"{POD}/log")
        assert (response.status_code, response.json()["reason"]) == (401, "Unauthorized")
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_the_agents_own_refusal_reaches_the_client(address, admin):
    async def serve(request, websocket):
        await agents.refused(websocket, 404, "the log was rotated away", "NotFound")

    await create(pod())
    async with agent_of(address, serve), client_of(address, admin) as client:
        response = await client.get(f"{POD}/log")
        assert (response.status_code, response.json()["message"]) == (404, "the log was rotated away")


async def test_an_agent_that_does_not_answer_is_a_504(address, admin, monkeypatch):
    monkeypatch.setattr("controlplane.nodes.streams.JOIN_SECONDS", 0.2)
    await create(pod())
    async with agent_of(address, None), client_of(address, admin) as client:
        response = await client.get(f"{POD}/log")
        assert (response.status_code, response.json()["reason"]) == (504, "Timeout")


async def test_a_log_over_websocket_in_binary_and_in_text(address, admin):
    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.send("grüß\n".encode() + b"\xff\n")
        await websocket.close()

    await create(pod())
    async with agent_of(address, serve):
        async with dial(address, f"{POD}/log", admin) as binary:
            assert [frame async for frame in binary] == ["grüß\n".encode() + b"\xff\n"]
            assert binary.close_code == 1000
        async with dial(address, f"{POD}/log", admin, "text.slipway.dev") as text:
            assert [frame async for frame in text] == ["grüß\n\ufffd\n"]


async def test_a_browser_reads_a_refusal_from_the_close_frame(address, admin):
    await create(pod("a", "b"))
    async with dial(address, f"{POD}/log", admin, "text.slipway.dev") as websocket:
        await websocket.wait_closed()
    assert websocket.close_code == 4400
    assert websocket.close_reason is not None
    assert websocket.close_reason.startswith("a container name must be specified")


# Exec


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
