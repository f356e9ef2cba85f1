"""Removing the data of deleted volumes: not while a pod may use it, reported once it is gone, tried again where it fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nodeagent.errors import VolumeError
from nodeagent.pods import transitions
from nodeagent.pods.context import Context, WallClock
from nodeagent.pods.record import Record
from nodeagent.runtime.fake import FakeHost
from nodeagent.volumes.removals import Removals
from schema.core.pod import Pod
from schema.session import VolumeRemoval
from tests.agent.pretend import Heard, facilities, settings

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
REMOVAL = VolumeRemoval(name="pvc-1", uid="v", namespace="default", claim="data")


class World:
    def __init__(self, tmp_path: Path) -> None:
        self.host, self.heard = FakeHost(), Heard()
        self.records: dict[str, Record] = {}
        context = Context(
            settings=settings(tmp_path), host=facilities(self.host), reports=self.heard, clock=WallClock()
        )
        self.home = context.settings.home.absolute()
        self.removals = Removals(context, self.records)

    def use(self, *, prepared: bool, released: bool = False) -> Record:
        volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        wire = {
            "metadata": {"name": "p", "namespace": "default", "uid": "p"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "volumes": volumes},
        }
        pod = Pod.parse(wire)
        record = Record(wire, pod, transitions.accepted(pod, WHEN))
        if prepared:
            record.volumes = {"d": self.home / "volumes" / "pvc-1"}
        if released:
            record.state = transitions.released(record.state, entirely=False)
        self.records["p"] = record
        return record

    async def turn(self) -> None:
        """What the task does when it is woken once."""
        task = asyncio.create_task(self.removals.run())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_it_is_removed_and_reported(world: World) -> None:
    world.removals.add([REMOVAL])
    await world.turn()
    (report,) = world.heard.volumes
    assert (report.name, report.uid, report.removed) == ("pvc-1", "v", True)


@pytest.mark.parametrize("prepared", [True, False])
async def test_a_pod_that_may_still_use_it_is_waited_for(world: World, prepared: bool) -> None:
    world.use(prepared=prepared)
    world.removals.add([REMOVAL])
    await world.turn()
    assert world.heard.volumes == []
    world.records.clear()
    world.removals.add([REMOVAL])
    await world.turn()
    assert [report.removed for report in world.heard.volumes] == [True]


async def test_a_pod_that_has_given_its_volumes_back_does_not_count(world: World) -> None:
    world.use(prepared=False, released=True)
    world.removals.add([REMOVAL])
    await world.turn()
    assert [report.removed for report in world.heard.volumes] == [True]


async def test_what_cannot_be_removed_is_said_and_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [VolumeError("it is a mount")]

    def hook(what: str) -> None:
        if what.startswith("volume-remove") and failures:
            raise failures.pop()

    monkeypatch.setattr(world.host, "hook", hook)
    world.removals.add([REMOVAL])
    await world.turn()
    assert [(report.removed, report.problem) for report in world.heard.volumes] == [(False, "it is a mount")]
    world.removals.add([])
    world.removals._wake.set()
    await world.turn()
    assert world.heard.volumes[-1].removed
