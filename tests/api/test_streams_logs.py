"""Logs between real clients and a scripted agent, through uvicorn with wsproto."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from controlplane.access import tokens, users
from controlplane.store import pool
from schema.session import StreamKind
from tests import agents
from tests.api.streaming import POD, agent_of, client_of, create, dial, pod

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stream_routes")]


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
