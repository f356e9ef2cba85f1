"""Streams and sessions across web processes, and what happens when one of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import websockets

from controlplane.access import tokens
from controlplane.nodes import agent_session, bus, channels
from controlplane.store import objects, pool
from schema import kinds
from schema.session import Report
from tests import agents, live

pytestmark = pytest.mark.django_db(transaction=True)

APPLICATION = "tests.api.nodes_application:application"
EXEC = "/api/v1/namespaces/default/pods/web/exec?command=x&stdin=1&stdout=1"
SUCCESS = b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode()
PIECE = 64 * 1024
PIECES = 400  # 25 MiB


@pytest.fixture
def redis():
    with live.redis_server() as process:
        yield process


@pytest.fixture
def servers(redis):
    with live.process(APPLICATION) as one, live.process(APPLICATION) as two:
        yield one, two


@pytest.fixture
async def node_token():
    return await pool.run(tokens.issue_for_node, "n1")


def pod(name: str = "web") -> dict[str, Any]:
    spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]}
    return {"metadata": {"namespace": "default", "name": name}, "spec": spec}


async def create(wire: dict[str, Any]) -> dict[str, Any]:
    return await pool.run(objects.create, kinds.POD, wire)


def dial(address: str, headers: dict[str, Any], **options):
    protocol = [websockets.Subprotocol(channels.V5)]
    return websockets.connect(
        f"ws://{address}{EXEC}",
        additional_headers=headers,
        subprotocols=protocol,
        max_size=None,
        compression=None,
        **options,
    )


def rss_bytes(process: subprocess.Popen[bytes]) -> int:
    fields = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def content(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest() * (PIECE // 32)


async def pour(request, websocket) -> None:
    await agents.opened(websocket)
    for number in range(PIECES):
        await websocket.send(b"\x01" + content(number))
    await websocket.send(SUCCESS)
    await websocket.close()


@pytest.mark.parametrize("where", ["session here, stream there", "session there, stream here", "both there"])
async def test_a_stream_crosses_processes_whole_in_bounded_memory(servers, admin, node_token, where):
    (one, first), (two, second) = servers
    session, stream = {
        "session here, stream there": (one, two),
        "session there, stream here": (two, one),
        "both there": (two, two),
    }[where]
    await create(pod())
    async with (
        agents.connect(f"ws://{session}", token=node_token, node="n1", streams=pour, stream_url=f"ws://{stream}"),
        dial(one, admin, max_queue=1) as websocket,
    ):
        got = [await websocket.recv()]
        before = [rss_bytes(first), rss_bytes(second)]
        most, held = list(before), 0
        async for frame in websocket:
            got.append(frame)
            if len(got) % 100 == 0:
                # A reader that stops now and then: everything upstream must wait, not grow.
                await asyncio.sleep(0.1)
                most = [max(pair) for pair in zip(most, [rss_bytes(first), rss_bytes(second)], strict=True)]
                held = max(held, await _redis_bytes())
    assert len(got) == PIECES + 1
    assert all(frame[1:] == content(number) for number, frame in enumerate(got[:-1]))
    assert got[-1] == SUCCESS
    assert websocket.close_code == 1000
    assert held < 4 * 1024 * 1024
    assert all(after - start < 12 * 1024 * 1024 for after, start in zip(most, before, strict=True))


async def _redis_bytes() -> int:
    """What the inboxes hold."""
    async with bus.connect() as client:
        total = 0
        async for key in client.scan_iter(match=bus.key("relay:*")):
            total += await client.memory_usage(key) or 0
        return total


async def test_input_crosses_processes_too(servers, admin, node_token):
    (one, _), (two, _) = servers
    digest = hashlib.sha256()

    async def swallow(request, websocket):
        await agents.opened(websocket)
        async for frame in websocket:
            if frame == b"\xff\x00":
                break
            digest.update(frame[1:])
        await websocket.send(b"\x01" + digest.digest())
        await websocket.send(SUCCESS)
        await websocket.close()

    await create(pod())
    expected = hashlib.sha256()
    async with (
        agents.connect(f"ws://{two}", token=node_token, node="n1", streams=swallow, stream_url=f"ws://{two}"),
        dial(one, admin) as websocket,
    ):
        for number in range(100):
            await websocket.send(b"\x00" + content(number))
            expected.update(content(number))
        await websocket.send(b"\xff\x00")
        assert [frame async for frame in websocket] == [b"\x01" + expected.digest(), SUCCESS]


async def test_a_client_that_leaves_is_noticed_in_the_other_process(servers, admin, node_token):
    (one, _), (two, _) = servers
    ended = asyncio.Event()

    async def serve(request, websocket):
        await agents.opened(websocket)
        await websocket.wait_closed()
        ended.set()

    await create(pod())
    async with agents.connect(f"ws://{two}", token=node_token, node="n1", streams=serve):
        async with dial(one, admin):
            pass
        async with asyncio.timeout(90):
            await ended.wait()


async def endless(request, websocket) -> None:
    await agents.opened(websocket)
    await websocket.send(b"\x01begun")
    await websocket.wait_closed()


async def test_the_death_of_the_agents_process_ends_the_clients_stream(servers, admin, node_token):
    (one, _), (two, second) = servers
    await create(pod())
    with contextlib.suppress(ConnectionError, websockets.WebSocketException):
        async with (
            agents.connect(f"ws://{one}", token=node_token, node="n1", streams=endless, stream_url=f"ws://{two}"),
            dial(one, admin) as websocket,
        ):
            assert await websocket.recv() == b"\x01begun"
            second.kill()
            async with asyncio.timeout(90):
                last = [frame async for frame in websocket]
            assert json.loads(last[-1][1:])["status"] == "Failure"
            assert websocket.close_code == 1000
            return
    pytest.fail("the client's connection must end in order")


async def test_the_death_of_the_clients_process_ends_the_agents_stream(servers, admin, node_token):
    (one, first), (two, _) = servers
    ended = asyncio.Event()

    async def serve(request, websocket):
        await endless(request, websocket)
        ended.set()

    await create(pod())
    async with agents.connect(f"ws://{two}", token=node_token, node="n1", streams=serve), dial(one, admin) as websocket:
        assert await websocket.recv() == b"\x01begun"
        first.kill()
        async with asyncio.timeout(90):
            await ended.wait()


async def test_the_death_of_redis_ends_relayed_streams_and_spares_the_rest(servers, admin, node_token, redis):
    (one, _), (two, _) = servers

    async def echo(request, websocket):
        await agents.opened(websocket)
        async for frame in websocket:
            await websocket.send(b"\x01" + frame[1:])

    await create(pod())
    async with (
        agents.connect(f"ws://{one}", token=node_token, node="n1", streams=echo) as agent,
        dial(one, admin) as local,
        dial(two, admin) as relayed,
    ):
        await relayed.send(b"\x00x")
        assert await relayed.recv() == b"\x01x"
        redis.kill()
        async with asyncio.timeout(90):
            last = [frame async for frame in relayed]
        assert json.loads(last[-1][1:])["status"] == "Failure"
        await local.send(b"\x00y")
        assert await local.recv() == b"\x01y"
        await create(pod("next"))
        await agent.report(agents.running(await agent.pod("default", "next")))
        async with dial(one, admin) as another:
            await another.send(b"\x00z")
            assert await another.recv() == b"\x01z"


async def test_a_session_elsewhere_replaces_the_one_here(servers, node_token):
    (one, _), (two, _) = servers
    async with (
        agents.connect(f"ws://{one}", token=node_token, node="n1") as older,
        agents.connect(f"ws://{two}", token=node_token, node="n1") as newer,
    ):
        async with asyncio.timeout(90):
            await older.websocket.wait_closed()
        assert older.websocket.close_code == agent_session.REPLACED
        await create(pod())
        await newer.pod("default", "web")


async def test_nothing_is_lost_or_doubled_when_the_process_dies_during_reports(redis, node_token):
    """The agent reports all the time; the process is killed in the middle, several times; the agent sends again what was
    not acknowledged. At the end each pod has its last status, and each event was counted once."""
    names = [f"p{number}" for number in range(20)]
    for name in names:
        await create(pod(name))
    unacknowledged: dict[int, Report] = {}
    sequence = itertools.count(1)
    pods: dict[str, dict[str, Any]] = {}

    async def talk(address: str, rounds: int, *, kill: subprocess.Popen[bytes] | None) -> None:
        async with agents.connect(f"ws://{address}", token=node_token, node="n1", agent_run="one") as agent:
            for name in names:
                pods[name] = await agent.pod("default", name)
            for report in unacknowledged.values():
                await agent.send(report)
            for _ in range(rounds):
                number = next(sequence)
                name = names[number % len(names)]
                status = agents.status(pods[name], {"phase": "Running", "message": str(number)})
                report = Report(sequence=number, pods=[status], events=[agents.event(pods[name], f"Step{number}")])
                unacknowledged[number] = report
                await agent.send(report)
            if kill is not None:
                await agent.until(lambda: agent.acknowledged)
                kill.kill()
                await agent.websocket.wait_closed()
            else:
                await agent.until(lambda: agent.acknowledged >= max(unacknowledged))
            for number in [number for number in unacknowledged if number <= agent.acknowledged]:
                del unacknowledged[number]

    for _ in range(3):
        with live.process(APPLICATION) as (address, process):
            await talk(address, 60, kill=process)
    with live.process(APPLICATION) as (address, _):
        await talk(address, 20, kill=None)

    last = next(sequence) - 1
    assert last == 200
    for name in names:
        number = max(number for number in range(1, last + 1) if names[number % len(names)] == name)
        stored = await pool.run(objects.get, kinds.POD, "default", name)
        assert stored["status"]["message"] == str(number)
    counted = {
        event["reason"]: event.get("count", 1) for event in (await pool.run(objects.list_objects, kinds.EVENT)).items
    }
    assert counted == {f"Step{number}": 1 for number in range(1, last + 1)}
