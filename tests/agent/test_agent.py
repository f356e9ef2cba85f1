"""The whole agent against a scripted control plane: sessions that break, and streams, with a pretended host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from nodeagent.agent import Agent
from nodeagent.pods import identity
from nodeagent.runtime.fake import FakeHost
from schema.base import Wire
from schema.session import ExecOptions, LogOptions, ObjectKey, OpenStream, ProbeTarget, StreamKind
from tests.agent.pretend import container, deleted, facilities, pod_wire, settings
from tests.agent.scripted import TOKEN, ControlPlane, payloads


@contextlib.asynccontextmanager
async def running(plane: ControlPlane, home: Path, host: FakeHost, token: str = TOKEN) -> AsyncIterator[Agent]:
    agent = Agent(settings(home, server=plane.address, token=token), facilities(host))
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


@pytest.fixture
def host() -> FakeHost:
    made = FakeHost()
    made.add_image("shop:1")
    return made


async def test_it_says_what_the_node_is(tmp_path, host):
    async with ControlPlane() as plane, running(plane, tmp_path, host):
        await plane.until(lambda: plane.hellos and plane.heartbeats > 2)
    node = plane.hellos[0].node
    assert node["metadata"]["name"] == "node-1"
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    status = node["status"]
    assert int(status["capacity"]["pods"]) == 110
    assert {c["type"] for c in status["conditions"]} == {
        "Ready",
        "MemoryPressure",
        "DiskPressure",
        "PIDPressure",
        "NetworkUnavailable",
    }
    assert len(status["nodeInfo"]) == 10
    assert [a["type"] for a in status["addresses"]][-1] == "Hostname"


async def test_it_runs_what_it_is_told_and_reports_it_gone_after_its_deletion(tmp_path, host):
    wire = pod_wire()
    uid = wire["metadata"]["uid"]
    async with ControlPlane() as plane, running(plane, tmp_path, host):
        await plane.until(lambda: plane.hellos)
        await plane.until(lambda: plane.heartbeats)
        await plane.update(pods=[wire])
        await plane.until_phase(uid, "Running")
        assert plane.statuses(uid)[-1]["podIP"].startswith("10.244.7.")
        await plane.update(pods=[deleted(wire, 5)])
        await plane.until(lambda: plane.is_gone(uid))
        assert not host.containers
        assert {e.reason for r in plane.reports for e in r.events} >= {"Pulled", "Created", "Started"}


async def test_the_first_pods_do_not_complain_about_the_network_that_is_coming_up(tmp_path, host):
    wire = pod_wire()
    async with ControlPlane() as plane:
        plane.pods = [wire]
        async with running(plane, tmp_path, host):
            await plane.until_phase(wire["metadata"]["uid"], "Running")
            await plane.until(lambda: any(r.events for r in plane.reports))
            assert not [e for r in plane.reports for e in r.events if e.severity == "Warning"]


async def test_a_status_is_not_lost_when_the_connection_breaks_before_it_is_acknowledged(tmp_path, host):
    wire = pod_wire()
    uid = wire["metadata"]["uid"]
    async with ControlPlane() as plane:
        plane.acknowledges = False
        plane.pods = [wire]
        async with running(plane, tmp_path, host):
            await plane.until_phase(uid, "Running")
            before = [report.sequence for report in plane.reports]
            plane.reports.clear()
            plane.cut()
            await plane.until(lambda: len(plane.hellos) == 2)
            await plane.until(lambda: [r.sequence for r in plane.reports][: len(before)] == before)
            assert plane.hellos[0].agent_run == plane.hellos[1].agent_run


async def test_what_happens_while_nobody_listens_is_told_afterwards(tmp_path, host):
    wire = pod_wire(container("web"), restartPolicy="Never")
    uid = wire["metadata"]["uid"]
    async with ControlPlane() as plane:
        plane.pods = [wire]
        async with running(plane, tmp_path, host) as agent:
            await plane.until_phase(uid, "Running")
            await plane.stop()
            agent.context.host.runtime.end(f"{uid}-web-0", 0)  # type: ignore[attr-defined]
            await plane.until(lambda: not host.containers)
            await plane.start()
            await plane.until_phase(uid, "Succeeded")


async def test_it_finds_a_control_plane_that_returns(tmp_path, host):
    async with ControlPlane() as plane:
        plane.refuses = 3
        async with running(plane, tmp_path, host):
            await plane.until(lambda: plane.hellos)


async def test_a_refused_token_is_tried_again_and_said_once(tmp_path, host, caplog):
    async with ControlPlane() as plane, running(plane, tmp_path, host, token="wrong"):
        await plane.until(lambda: plane.refusals > 3)
        assert caplog.text.count("refuses this node's credential") == 1
        assert not plane.hellos


async def test_a_sync_ends_what_it_does_not_name(tmp_path, host):
    kept, dropped = pod_wire(name="kept"), pod_wire(name="dropped")
    async with ControlPlane() as plane:
        plane.pods = [kept, dropped]
        async with running(plane, tmp_path, host):
            for wire in plane.pods:
                await plane.until_phase(wire["metadata"]["uid"], "Running")
            plane.pods = [kept]
            plane.cut()
            await plane.until(lambda: set(host.sandboxes) == {kept["metadata"]["uid"]})
            assert len(host.creations) == 2


async def test_without_a_control_plane_it_goes_on_from_its_checkpoint(tmp_path, host):
    env = [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "paint", "key": "colour"}}}]
    wire = pod_wire(container("web", env=env))
    uid = wire["metadata"]["uid"]
    async with ControlPlane() as plane:
        plane.pods = [wire]
        plane.config_maps = [{"metadata": {"name": "paint", "namespace": "default"}, "data": {"colour": "blue"}}]
        async with running(plane, tmp_path, host):
            await plane.until_phase(uid, "Running")
        await plane.stop()
        async with running(plane, tmp_path, host) as agent:
            await plane.until(lambda: uid in agent.records)
            assert host.creations == [f"{uid}-web-0"], "what runs is adopted"
            agent.context.host.runtime.end(f"{uid}-web-0", 1)  # type: ignore[attr-defined]
            await plane.until(lambda: host.starts == [f"{uid}-web-0", f"{uid}-web-1"])
            assert "COLOUR=blue" in host.containers[f"{uid}-web-1"].plan.spec["process"]["env"]


async def test_a_lost_checkpoint_costs_no_container_its_life(tmp_path, host):
    wire = pod_wire()
    uid = wire["metadata"]["uid"]
    async with ControlPlane() as plane:
        plane.pods = [wire]
        async with running(plane, tmp_path, host):
            await plane.until_phase(uid, "Running")
        for path in (tmp_path / "checkpoint").rglob("*.json"):
            path.write_bytes(path.read_bytes()[:40])
        plane.pods = [wire | {"status": plane.statuses(uid)[-1]}]
        plane.reports.clear()
        async with running(plane, tmp_path, host):
            await plane.until_phase(uid, "Running")
            assert host.creations == [f"{uid}-web-0"]


async def test_a_container_that_nobody_wants_any_more_is_removed(tmp_path, host):
    wire = pod_wire()
    async with ControlPlane() as plane:
        plane.pods = [wire]
        async with running(plane, tmp_path, host):
            await plane.until_phase(wire["metadata"]["uid"], "Running")
        for path in (tmp_path / "checkpoint").rglob("*.json"):
            path.unlink()
        plane.pods = []
        async with running(plane, tmp_path, host):
            await plane.until(lambda: not host.containers and not host.sandboxes and not host.roots)


async def test_a_changed_config_map_reaches_the_volumes_of_a_running_pod(tmp_path, host):
    wire = pod_wire(volumes=[{"name": "v", "configMap": {"name": "paint"}}])
    paint = {"metadata": {"name": "paint", "namespace": "default", "resourceVersion": "1"}, "data": {"colour": "blue"}}
    async with ControlPlane() as plane:
        plane.pods, plane.config_maps = [wire], [paint]
        async with running(plane, tmp_path, host):
            await plane.until_phase(wire["metadata"]["uid"], "Running")
            prepared: list[str] = []
            host.hook = lambda operation: prepared.append(operation) if operation.startswith("volumes ") else None
            red = {"metadata": paint["metadata"] | {"resourceVersion": "2"}, "data": {"colour": "red"}}
            await plane.update(config_maps=[red])
            await plane.until(lambda: prepared)
            await plane.update(removed_config_maps=[ObjectKey(namespace="default", name="paint")])
            await plane.until(lambda: any(e.reason == "FailedMount" for r in plane.reports for e in r.events))


# Streams


@contextlib.asynccontextmanager
async def a_running_pod(home: Path, host: FakeHost) -> AsyncIterator[tuple[ControlPlane, Agent, str]]:
    wire = pod_wire()
    async with ControlPlane() as plane:
        plane.pods = [wire]
        async with running(plane, home, host) as agent:
            await plane.until_phase(wire["metadata"]["uid"], "Running")
            yield plane, agent, wire["metadata"]["uid"]


def request(kind: StreamKind, uid: str, **more: object) -> OpenStream:
    values = {"namespace": "default", "pod": "shop", "pod_uid": uid, "container": "web", "stream_id": kind.value}
    return OpenStream(kind=kind, **(values | more))  # type: ignore[arg-type]


async def opened(socket: ServerConnection) -> Wire:
    found: Wire = json.loads(await socket.recv())
    return found


async def test_a_log_is_followed_until_its_container_ends(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, agent, uid):
        path = identity.log_path(tmp_path, uid, "web", 0)
        path.write_text("2026-01-01T00:00:00.000000000+00:00 stdout F one\n")
        socket = await plane.open_stream(request(StreamKind.LOG, uid, log=LogOptions(follow=True)))
        assert await opened(socket) == {}
        assert await socket.recv() == b"one\n"
        with path.open("a") as file:
            file.write("2026-01-01T00:00:01.000000000+00:00 stdout F two\n")
        assert await socket.recv() == b"two\n"
        agent.context.host.runtime.end(f"{uid}-web-0", 0)  # type: ignore[attr-defined]
        assert await payloads(socket) == []
        assert socket.close_code == 1000


async def test_the_log_of_a_previous_attempt_is_read(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, agent, uid):
        options = LogOptions(previous=True)
        socket = await plane.open_stream(request(StreamKind.LOG, uid, log=options))
        assert 'previous terminated container "web"' in (await opened(socket))["failure"]["message"]
        path = identity.log_path(tmp_path, uid, "web", 0)
        path.write_text("2026-01-01T00:00:00.000000000+00:00 stdout F first life\n")
        agent.context.host.runtime.end(f"{uid}-web-0", 1)  # type: ignore[attr-defined]
        await plane.until(lambda: len(host.starts) == 2)
        socket = await plane.open_stream(request(StreamKind.LOG, uid, log=options, stream_id="again"))
        assert await opened(socket) == {}
        assert await payloads(socket) == [b"first life\n"]


async def test_a_probe_tells_what_answers_from_here(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, _, _):
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as closed:
            ports = [each.getsockname()[1] for each in (listener, closed)]
            closed.close()
            targets = [ProbeTarget(address="127.0.0.1", port=port) for port in ports]
            stream = await plane.open_stream(request(StreamKind.PROBE, "", targets=targets))
            assert await opened(stream) == {}
            found = json.loads(await stream.recv())
    assert [(each["from"], each["port"], each["result"]) for each in found] == [
        ("Node", ports[0], "Answers"),
        ("Node", ports[1], "Refused"),
    ]


async def test_streams_to_what_is_not_there_are_refused_with_the_reason(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, _, uid):
        socket = await plane.open_stream(request(StreamKind.LOG, uid, container="nobody", log=LogOptions()))
        assert (await opened(socket))["failure"]["code"] == 400
        socket = await plane.open_stream(request(StreamKind.EXEC, "other", exec=ExecOptions(command=["ls"])))
        assert (await opened(socket))["failure"]["code"] == 404


async def test_exec_gives_output_and_exit_code(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, _, uid):
        options = ExecOptions(command=["exit", "7"])
        socket = await plane.open_stream(request(StreamKind.EXEC, uid, exec=options))
        assert await opened(socket) == {}
        frames = await payloads(socket)
        assert frames[0] == b"\x02leaving\n"
        assert frames[-1][0] == 3
        status = json.loads(frames[-1][1:])
        assert status["reason"] == "NonZeroExitCode"
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
        assert socket.close_code == 1000


async def test_exec_takes_input_until_its_half_close_and_survives_a_senseless_size(tmp_path, host):
    async with a_running_pod(tmp_path, host) as (plane, _, uid):
        options = ExecOptions(command=["cat"], stdin=True)
        socket = await plane.open_stream(request(StreamKind.EXEC, uid, exec=options))
        assert await opened(socket) == {}
        await socket.send(b"\x04nonsense")
        await socket.send(b"\x00hello")
        assert await socket.recv() == b"\x01hello"
        await socket.send(b"\xff\x00")
        frames = await payloads(socket)
        assert json.loads(frames[-1][1:])["status"] == "Success"


async def test_a_port_is_forwarded(tmp_path, host):
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read(100)).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_running_pod(tmp_path, host) as (plane, _, uid):
        socket = await plane.open_stream(request(StreamKind.PORT_FORWARD, uid, port=port))
        assert await opened(socket) == {}
        await socket.send(b"hello")
        assert b"".join(await payloads(socket)) == b"HELLO"


async def test_a_disk_that_stays_full_is_an_event_of_the_node(tmp_path, host):
    host.full_disk = "the disk is full"
    async with ControlPlane() as plane, running(plane, tmp_path, host):
        await plane.until(lambda: any(report.events for report in plane.reports))
    [event] = [event for report in plane.reports for event in report.events]
    assert (event.pod_uid, event.severity, event.reason) == ("", "Warning", "FreeDiskSpaceFailed")
    assert event.message == "the disk is full"
