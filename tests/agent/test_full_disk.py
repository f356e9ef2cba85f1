"""A disk that fills up under the agent, and is emptied again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent import kernel
from nodeagent.runtime.fake import FakeHost, FakeRuntime
from schema.base import Wire
from tests.agent.host import needs_host
from tests.agent.pretend import container, pod_wire
from tests.agent.scripted import ControlPlane
from tests.agent.test_agent import running

pytestmark = needs_host


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    home.mkdir()
    kernel.mount("tmpfs", str(home), "tmpfs", data="size=2m")
    yield home
    kernel.unmount(str(home), kernel.MNT_DETACH)


def fill(home: Path) -> Path:
    path = home / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return path


def disk_pressure(plane: ControlPlane) -> str:
    conditions: list[Wire] = plane.node_status.get("conditions") or []
    return next((one["status"] for one in conditions if one["type"] == "DiskPressure"), "")


async def test_a_full_disk_is_reported_and_stops_nothing_but_new_pods(small_disk):
    host = FakeHost()
    host.add_image("shop:1")
    old, new = pod_wire(container("web"), name="old"), pod_wire(container("web"), name="new")
    async with ControlPlane() as plane:
        plane.pods = [old]
        async with running(plane, small_disk, host) as agent:
            await plane.until_phase(old["metadata"]["uid"], "Running")
            filler = fill(small_disk)
            await plane.until(lambda: disk_pressure(plane) == "True")
            await plane.update(pods=[new])
            uid = new["metadata"]["uid"]
            await plane.until(lambda: plane.statuses(uid))
            waiting = plane.statuses(uid)[-1]["containerStatuses"][0]["state"]["waiting"]
            assert "% full" in waiting["message"]
            runtime = agent.context.host.runtime
            assert isinstance(runtime, FakeRuntime)
            runtime.end(f"{old['metadata']['uid']}-web-0", 0)
            await plane.until(
                lambda: plane.statuses(old["metadata"]["uid"])[-1]["containerStatuses"][0]["restartCount"] == 1
            )
            filler.unlink()
            await plane.until(lambda: disk_pressure(plane) == "False")
            await plane.until_phase(uid, "Running")
