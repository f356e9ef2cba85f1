"""Probes and hooks of real containers, through the agent as a process of its own."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path

from schema.base import Wire
from schema.session import ExecOptions, StreamKind
from tests.agent.host import needs_host
from tests.agent.pretend import deleted, pod_wire
from tests.agent.scripted import ControlPlane, payloads
from tests.agent.test_agent_host import node, request, shell

pytestmark = needs_host

QUICK: Wire = {"periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 30}
"""Asked often, and given time to answer: a busy machine makes nobody sick."""
SERVE = "mkdir -p /www; echo fine > /www/health; httpd -p 8080 -h /www; "
SERVE += "trap 'exit 0' TERM; while :; do sleep 0.05; done"


def container_of(plane: ControlPlane, uid: str) -> Wire:
    statuses = plane.statuses(uid)
    found: Wire = statuses[-1]["containerStatuses"][0] if statuses else {}
    return found


def ready(plane: ControlPlane, uid: str) -> bool:
    return bool(container_of(plane, uid).get("ready"))


def not_ready(plane: ControlPlane, uid: str) -> bool:
    return not ready(plane, uid)


def events(plane: ControlPlane, uid: str, reason: str) -> list[str]:
    found = [event for report in plane.reports for event in report.events]
    return [event.message for event in found if event.pod_uid == uid and event.reason == reason]


async def run_in(plane: ControlPlane, wire: Wire, command: str, number: int = 0) -> None:
    options = ExecOptions(command=["sh", "-c", command])
    socket = await plane.open_stream(request(StreamKind.EXEC, wire, f"exec{number}", exec=options))
    assert json.loads(await socket.recv()) == {}
    await payloads(socket)


def is_kept_ready(home: Path, uid: str) -> bool:
    return b'"ready":true' in (home / "checkpoint" / "pods" / f"{uid}.json").read_bytes()


async def test_every_kind_of_readiness_probe_sees_the_container_come_up_and_go_down(tmp_path):
    probes: dict[str, Wire] = {
        "exec": {"exec": {"command": ["test", "-e", "/www/health"]}},
        "http": {"httpGet": {"path": "/health", "port": "web"}},
        "tcp": {"tcpSocket": {"port": 8080}},
    }
    wires = {
        name: pod_wire(
            shell(SERVE, readinessProbe=probe | QUICK, ports=[{"name": "web", "containerPort": 8080}]), name=name
        )
        for name, probe in probes.items()
    }
    uids = {name: wire["metadata"]["uid"] for name, wire in wires.items()}
    async with node(tmp_path, network=21) as (plane, process):
        await plane.update(pods=list(wires.values()))
        for uid in uids.values():
            await plane.until(partial(ready, plane, uid))
        # An agent that is killed and comes back takes nothing out of service, once that it is in service is on disk.
        for uid in uids.values():
            await plane.until(partial(is_kept_ready, process.settings.home, uid))
        plane.pods = list(wires.values())
        await process.end(signal.SIGKILL)
        plane.reports.clear()
        await process.begin()
        for uid in uids.values():
            await plane.until(partial(plane.statuses, uid))
        assert all(status["containerStatuses"][0]["ready"] for uid in uids.values() for status in plane.statuses(uid))
        for number, name in enumerate(("exec", "http")):
            await run_in(plane, wires[name], "rm /www/health", number)
            await plane.until(partial(not_ready, plane, uids[name]))
        assert ready(plane, uids["tcp"])
        said = "Readiness probe failed: HTTP probe failed with statuscode: 404"
        await plane.until(lambda: said in events(plane, uids["http"], "Unhealthy"))
        assert all(container_of(plane, uid)["restartCount"] == 0 for uid in uids.values())


async def test_a_container_whose_liveness_fails_is_restarted_after_its_pre_stop_hook(tmp_path):
    script = "trap 'echo stopped >> /shared/log; exit 0' TERM; echo up >> /shared/log; echo > /tmp/up; "
    script += "while :; do sleep 0.05; done"
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    alive = {"exec": {"command": ["sh", "-c", "test ! -e /shared/sick || { echo I am sick; exit 1; }"]}}
    after_it = "while [ ! -e /tmp/up ]; do sleep 0.02; done"  # hook and container begin at the same time
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", f"{after_it}; echo post >> /shared/log"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "rm -f /shared/sick; echo pre >> /shared/log"]}},
    }
    web = shell(script, volumeMounts=mounts, livenessProbe=alive | QUICK, lifecycle=hooks)
    wire = pod_wire(web, volumes=[{"name": "shared", "emptyDir": {}}])
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=22) as (plane, process):
        await plane.update(pods=[wire])
        await plane.until(lambda: ready(plane, uid))
        shared = next((process.settings.home / "pods" / uid / "volumes").rglob("shared"))
        (shared / "sick").touch()
        await plane.until(lambda: container_of(plane, uid).get("restartCount") == 1 and ready(plane, uid))
        assert events(plane, uid, "Unhealthy") == ["Liveness probe failed: I am sick"]
        assert events(plane, uid, "Killing") == ["Container web failed liveness probe, will be restarted"]
        assert (shared / "log").read_text().split() == ["up", "post", "pre", "stopped", "up", "post"]


async def test_deletion_runs_the_pre_stop_hook_while_the_pod_still_serves(tmp_path):
    hooks = {"preStop": {"exec": {"command": ["sh", "-c", "while [ ! -e /tmp/go ]; do sleep 0.02; done"]}}}
    probe = {"httpGet": {"path": "/health", "port": 8080}} | QUICK
    wire = pod_wire(shell(SERVE, readinessProbe=probe, lifecycle=hooks))
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=23) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until(lambda: ready(plane, uid))
        await plane.update(pods=[deleted(wire, 20)])
        await plane.until(lambda: events(plane, uid, "Killing"))
        await run_in(plane, wire, "wget -qO- http://127.0.0.1:8080/health")
        assert ready(plane, uid)
        assert not plane.is_gone(uid)
        await run_in(plane, wire, "touch /tmp/go", 1)
        await plane.until(lambda: plane.is_gone(uid))


async def test_a_post_start_hook_that_fails_ends_the_container(tmp_path):
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "echo no such table >&2; exit 1"]}}}
    wire = pod_wire(shell("exec sleep 1000", lifecycle=hooks), restartPolicy="Never", terminationGracePeriodSeconds=0)
    uid = wire["metadata"]["uid"]
    async with node(tmp_path, network=24) as (plane, _):
        await plane.update(pods=[wire])
        await plane.until_phase(uid, "Failed")
        await plane.until(lambda: events(plane, uid, "FailedPostStartHook"))
        assert events(plane, uid, "FailedPostStartHook") == ["PostStartHook failed: no such table"]
        assert container_of(plane, uid)["restartCount"] == 0
