"""The agent as a process of its own on the real host, told what to do by a scripted control plane."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent import teardown
from nodeagent.images.store import ImageStore
from nodeagent.pods import identity
from nodeagent.settings import Settings
from schema.base import Wire
from schema.session import ExecOptions, LogOptions, OpenStream, StreamKind
from tests import images
from tests.agent.host import instance, needs_host
from tests.agent.patience import patience
from tests.agent.pretend import container, deleted, pod_wire
from tests.agent.scripted import TOKEN, ControlPlane, payloads

pytestmark = needs_host

IMAGE = "docker.io/library/busybox:1"


class Process:
    """``python -m nodeagent run``, which can be killed and begun again."""

    def __init__(self, settings: Settings, plane: ControlPlane) -> None:
        self.settings = settings
        self.plane = plane
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        token = self.settings.home.parent / "token"
        token.write_text(TOKEN)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nodeagent", "run", "--server", self.plane.address, "--token-file", str(token)),
            *("--home", str(self.settings.home), "--run-dir", str(self.settings.run_dir)),
            *("--cgroup-parent", self.settings.cgroup_parent, "--node-name", "node-1"),
        )

    async def end(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        async with asyncio.timeout(patience(60)):
            return await self._process.wait()


@contextlib.asynccontextmanager
async def node(tmp_path: Path, *, network: int) -> AsyncIterator[tuple[ControlPlane, Process]]:
    """``network`` keeps the ranges of tests that run at the same time apart."""
    with instance() as settings:
        archive = tmp_path / "busybox.tar"
        images.busybox().save_docker_archive(archive, IMAGE)
        store = ImageStore(settings.home / "images")
        await store.load(archive)
        await store.close()
        async with ControlPlane() as plane:
            plane.pod_cidr, plane.cluster_cidr = f"10.178.{network}.0/24", f"10.178.{network}.0/24"
            process = Process(settings, plane)
            await process.begin()
            try:
                await plane.until(lambda: plane.hellos)
                yield plane, process
            finally:
                await process.end(signal.SIGKILL)
                await teardown.remove(replace(settings, node_name="node-1"))


def shell(script: str, name: str = "web", **more: object) -> Wire:
    return container(name, ["sh", "-c", script], image=IMAGE, **more)


def request(kind: StreamKind, wire: Wire, stream_id: str, **more: object) -> OpenStream:
    values = {"namespace": "default", "pod": "shop", "pod_uid": wire["metadata"]["uid"], "container": "web"}
    return OpenStream(kind=kind, stream_id=stream_id, **(values | more))


async def test_a_pod_with_init_container_environment_and_volume_runs_and_leaves_nothing(tmp_path):
    env = [{"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    script = (
        "cat /shared/word; echo I am $WHO at $(hostname -i); trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"
    )
    wire = pod_wire(
        shell(script, env=env, volumeMounts=mounts),
        shell("sleep 1000", "other"),
        initContainers=[shell("echo hello > /shared/word", "init", volumeMounts=mounts)],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=1) as (plane, process):
        await plane.update(pods=[wire])
        await plane.until_phase(uid, "Running")
        status = plane.statuses(uid)[-1]
        assert status["podIP"].startswith("10.178.1.")
        socket = await plane.open_stream(request(StreamKind.LOG, wire, "log", log=LogOptions(follow=True)))
        await socket.recv()
        shown = b""
        while b"I am" not in shown:
            frame = await socket.recv()
            assert isinstance(frame, bytes)
            shown += frame
        assert shown.decode() == f"hello\nI am shop at {status['podIP']}\n"
        await plane.update(pods=[deleted(wire, 2)])
        assert b"".join(await payloads(socket)) == b"bye\n"
        await plane.until(lambda: plane.is_gone(uid))
        ended = plane.statuses(uid)[-1]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
        assert not (process.settings.home / "pods" / uid).exists()
        assert list((process.settings.run_dir / "containers").iterdir()) == []


async def test_containers_outlive_a_killed_agent_and_their_ends_are_not_missed(tmp_path):
    wire = pod_wire(
        shell("n=0; while :; do echo $n; n=$((n+1)); sleep 0.01; done"),
        shell(
            "while [ ! -e /shared/stop ]; do sleep 0.02; done; exit 7",
            "other",
            volumeMounts=[{"name": "shared", "mountPath": "/shared"}],
        ),
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="OnFailure",
    )
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=2) as (plane, process):
        plane.pods = [wire]
        await plane.update(pods=[wire])
        await plane.until_phase(uid, "Running")
        before = {c["name"]: c for c in plane.statuses(uid)[-1]["containerStatuses"]}
        await process.end(signal.SIGKILL)
        stop = next((process.settings.home / "pods" / uid / "volumes").rglob("shared"))
        (stop / "stop").touch()
        plane.reports.clear()
        await process.begin()

        def other() -> Wire:
            statuses = plane.statuses(uid)
            return next(c for c in statuses[-1]["containerStatuses"] if c["name"] == "other") if statuses else {}

        await plane.until(lambda: other().get("restartCount", 0) > 0)
        assert other()["lastState"]["terminated"]["exitCode"] == 7
        web = plane.statuses(uid)[-1]["containerStatuses"][0]
        assert web["restartCount"] == 0
        assert web["state"] == before["web"]["state"]
        socket = await plane.open_stream(request(StreamKind.LOG, wire, "log", log=LogOptions()))
        await socket.recv()
        lines = b"".join(await payloads(socket)).decode().split()
        assert lines == [str(number) for number in range(len(lines))]
        assert len(lines) > 10


async def test_containers_that_share_processes_see_each_other_and_start_anew_when_their_namespace_ends(tmp_path):
    look = (
        "until ps | grep -q 'sleep 432[1]'; do sleep 0.05; done; grep -q catatonit /proc/1/comm && "
        "! ls /proc/1/root/ 2>/dev/null"
    )
    other = shell("sleep 5678 & exec sleep 4321", "other")
    wire = pod_wire(shell(look), other, restartPolicy="OnFailure", shareProcessNamespace=True)
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=9) as (plane, process):
        plane.pods = [wire]
        await plane.update(pods=[wire])

        def told(name: str) -> Wire:
            statuses = plane.statuses(uid)
            return next((c for c in statuses[-1]["containerStatuses"] if c["name"] == name), {}) if statuses else {}

        await plane.until(lambda: "terminated" in told("web").get("state", {}))
        assert told("web")["state"]["terminated"]["exitCode"] == 0
        await process.end(signal.SIGKILL)
        plane.reports.clear()
        await process.begin()
        await plane.until(lambda: "running" in told("other").get("state", {}))
        assert told("other")["restartCount"] == 0
        holder = process.settings.run_dir / "containers" / identity.holder_id(uid) / "pidfile"
        first = int(holder.read_text())
        os.kill(first, signal.SIGKILL)
        await plane.until(lambda: told("other")["restartCount"] > 0 and "running" in told("other")["state"])
        assert int(holder.read_text()) != first
        await plane.update(pods=[deleted(wire, 0)])
        await plane.until(lambda: plane.is_gone(uid))
        assert list((process.settings.run_dir / "containers").iterdir()) == []


async def test_exec_passes_binary_input_and_the_exit_code(tmp_path):
    wire = pod_wire(shell("sleep 1000"))
    payload = os.urandom(300_000).replace(b"\n", b" ")
    async with node(tmp_path, network=3) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(wire["metadata"]["uid"], "Running")
        options = ExecOptions(command=["sh", "-c", "cat; echo done >&2; exit 5"], stdin=True)
        socket = await plane.open_stream(request(StreamKind.EXEC, wire, "exec", exec=options))
        assert json.loads(await socket.recv()) == {}

        async def feed() -> None:
            for start in range(0, len(payload), 30_000):
                await socket.send(b"\x00" + payload[start : start + 30_000])
            await socket.send(b"\xff\x00")

        feeding = asyncio.create_task(feed())
        frames = await payloads(socket)
        await feeding
        assert b"".join(frame[1:] for frame in frames if frame[0] == 1) == payload
        assert b"".join(frame[1:] for frame in frames if frame[0] == 2) == b"done\n"
        assert frames[-1][0] == 3
        assert json.loads(frames[-1][1:])["details"]["causes"][0]["message"] == "5"


@pytest.mark.parametrize(
    ("script", "more", "reason", "code"),
    [
        ("x=a; while :; do x=$x$x$x; done", {"resources": {"limits": {"memory": "32Mi"}}}, "OOMKilled", 137),
        ("echo last words > /dev/termination-log; exit 3", {}, "Error", 3),
        ("exit 0", {}, "Completed", 0),
    ],
    ids=["out of memory", "failed", "succeeded"],
)
async def test_ends_are_told_with_their_reason(tmp_path, script, more, reason, code):
    wire = pod_wire(shell(script, **more), restartPolicy="Never")
    async with node(tmp_path, network=4) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(wire["metadata"]["uid"], "Succeeded" if code == 0 else "Failed")
        ended = plane.statuses(wire["metadata"]["uid"])[-1]["containerStatuses"][0]["state"]["terminated"]
        assert (ended["reason"], ended["exitCode"]) == (reason, code)
        assert ended.get("message", "") == ("last words\n" if code == 3 else "")


async def test_a_command_that_does_not_exist_is_named(tmp_path):
    wire = pod_wire(container("web", ["/no/such/command"], image=IMAGE))
    async with node(tmp_path, network=5) as (plane, _):
        await plane.update(pods=[wire])
        uid = wire["metadata"]["uid"]
        await plane.until(
            lambda: plane.statuses(uid) and plane.statuses(uid)[-1]["containerStatuses"][0]["restartCount"]
        )
        ended = plane.statuses(uid)[-1]["containerStatuses"][0]["lastState"]["terminated"]
        assert "/no/such/command" in ended["message"]


async def test_a_log_that_rotates_under_its_container_loses_nothing(tmp_path):
    bursts, lines = 4, 40_000
    burst = f"while [ $i -lt $(({lines} * b)) ]; do echo line-$i-{'x' * 300}; i=$((i+1)); done"
    script = f"i=0; b=1; while [ $b -le {bursts} ]; do {burst}; b=$((b+1)); sleep 1.5; done"
    wire = pod_wire(shell(script), restartPolicy="Never")
    async with node(tmp_path, network=6) as (plane, process):
        await plane.update(pods=[wire])
        uid = wire["metadata"]["uid"]
        await plane.until(lambda: plane.statuses(uid) and plane.statuses(uid)[-1]["phase"] != "Pending")
        socket = await plane.open_stream(request(StreamKind.LOG, wire, "log", log=LogOptions(follow=True)))
        await socket.recv()
        shown = b"".join(await payloads(socket)).decode().split()
        assert [line.split("-")[1] for line in shown] == [str(number) for number in range(bursts * lines)]
        assert len(list((process.settings.home / "pods" / uid / "logs" / "web").iterdir())) > 2


async def test_a_port_of_the_pods_own_loopback_is_forwarded(tmp_path):
    script = "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 127.0.0.1:8080 -h /www"
    wire = pod_wire(shell(script))
    async with node(tmp_path, network=7) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(wire["metadata"]["uid"], "Running")
        answer = b""
        for number in range(200):  # the server inside needs a moment
            socket = await plane.open_stream(request(StreamKind.PORT_FORWARD, wire, f"port{number}", port=8080))
            if json.loads(await socket.recv()) == {}:
                await socket.send(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(await payloads(socket))
                break
            await asyncio.sleep(0.02)
        assert answer.startswith(b"HTTP/1.")
        assert answer.endswith(b"hello\n")
        socket = await plane.open_stream(request(StreamKind.PORT_FORWARD, wire, "closed", port=9))
        assert "port 9" in json.loads(await socket.recv())["failure"]["message"]


async def test_attach_talks_to_the_container_itself(tmp_path):
    wire = pod_wire(shell("while read line; do echo got $line; done; exit 0", stdin=True), restartPolicy="Never")
    async with node(tmp_path, network=8) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(wire["metadata"]["uid"], "Running")
        socket = await plane.open_stream(request(StreamKind.ATTACH, wire, "attach", exec=ExecOptions(stdin=True)))
        assert json.loads(await socket.recv()) == {}
        await socket.send(b"\x00one\n")
        assert await socket.recv() == b"\x01got one\n"
        await socket.close()
        assert plane.statuses(wire["metadata"]["uid"])[-1]["phase"] == "Running"


async def test_the_one_caller_of_a_container_misses_nothing_that_it_said_before(tmp_path):
    script = "printf 'who is there? '; echo aside >&2; read name; echo hello $name; exit 0"
    wire = pod_wire(shell(script, stdin=True, stdinOnce=True), restartPolicy="Never")
    async with node(tmp_path, network=9) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(wire["metadata"]["uid"], "Running")
        options = ExecOptions(stdin=True)
        socket = await plane.open_stream(request(StreamKind.ATTACH, wire, "attach", exec=options))
        assert json.loads(await socket.recv()) == {}
        told = [await socket.recv(), await socket.recv()]
        assert sorted(told) == [b"\x01who is there? ", b"\x02aside\n"]
        await socket.send(b"\x00world\n")
        assert await payloads(socket) == [b"\x01hello world\n", b'\x03{"metadata": {}, "status": "Success"}']
