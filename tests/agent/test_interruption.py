"""A pod's life is cut at every operation on the host, and goes on: the same end, and nothing done twice."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

from nodeagent.agent import Agent
from nodeagent.runtime.fake import FakeHost
from nodeagent.session import Dialler
from schema.base import Wire
from schema.session import Sync, Welcome
from tests.agent.pretend import LoopClock, container, deleted, facilities, pod_wire, run, settings


class Unplugged(Dialler):
    """No control plane: what it would say is told to the agent by the test."""

    token = ""

    def __init__(self) -> None:
        pass

    def dial(self, path: str) -> Any:
        raise ConnectionRefusedError("unplugged")


class Killed(BaseException):
    pass


WIRE = pod_wire(
    container("web"),
    container("proxy"),
    initContainers=[container("prepare", ["fake", "exit=0", "after=1"])],
    volumes=[{"name": "scratch", "emptyDir": {}}],
)
WELCOME = Welcome(node_uid="n", pod_cidrs=["10.244.7.0/24"], cluster_cidrs=["10.244.0.0/16"])


class Life:
    """The host and the home outlive the agents; each agent is killed or done."""

    def __init__(self) -> None:
        self.host = FakeHost(now=LoopClock().now)
        self.host.add_image("shop:1")
        self.host.hook = self._hook
        self.home = Path(tempfile.mkdtemp(prefix="slipway-pretend-"))
        self.operations: list[str] = []
        self.kill_at: int | None = None
        self.killed = asyncio.Event()
        self.agent: Agent | None = None

    def _hook(self, operation: str) -> None:
        if self.killed.is_set():
            raise Killed  # a dead agent does nothing more
        self.operations.append(operation)
        if len(self.operations) == self.kill_at:
            self.killed.set()
            raise Killed

    async def begin(self) -> None:
        self.killed.clear()
        self.agent = Agent(settings(self.home), facilities(self.host), clock=LoopClock(), dialler=Unplugged())
        self._running = asyncio.create_task(self.agent.run(asyncio.Event()))
        await asyncio.sleep(0.01)

    async def end(self) -> None:
        assert self.agent is not None
        self.killed.set()
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.agent.abandon()

    def hear(self, wire: Wire) -> None:
        assert self.agent is not None
        self.agent.welcomed(WELCOME)
        self.agent.synced(Sync(revision=1, pods=[wire], config_maps=[], secrets=[]))

    async def until(self, what: Any) -> None:
        """Until it is so, or the agent was killed on the way."""
        for _ in range(4000):
            if self.killed.is_set() or what():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"it does not come to its end; the last operations: {self.operations[-8:]}")

    def runs(self) -> bool:
        record = self.agent.records.get(WIRE["metadata"]["uid"])  # type: ignore[union-attr]
        return record is not None and (record.shown or {}).get("phase") == "Running"

    def is_gone(self) -> bool:
        return not self.agent.records and not self.host.containers and not self.host.sandboxes  # type: ignore[union-attr]


async def _live(kill_at: int | None, *, hears_again: bool) -> Life:
    """Start the pod, see it run, delete it, see it gone; killed once on the way and begun again."""
    life = Life()
    life.kill_at = kill_at
    for wire, is_reached in ((WIRE, life.runs), (deleted(WIRE, 30), life.is_gone)):
        if life.agent is None:
            await life.begin()
        life.hear(wire)
        await life.until(is_reached)
        if life.killed.is_set():
            life.kill_at = None
            await life.end()
            await life.begin()
            if hears_again:
                life.hear(wire)
            await life.until(is_reached)
    await life.end()
    shutil.rmtree(life.home)
    return life


def _operations() -> int:
    return len(run(_live(None, hears_again=True)).operations)


def test_undisturbed_it_takes_these_operations():
    life = run(_live(None, hears_again=True))
    uid = WIRE["metadata"]["uid"]
    assert life.host.creations[0] == f"{uid}-prepare-0"
    assert sorted(life.host.creations[1:]) == [f"{uid}-proxy-0", f"{uid}-web-0"]
    assert len(life.operations) > 20


@pytest.mark.parametrize("hears_again", [True, False], ids=["with its control plane", "by its checkpoint alone"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_agent_killed_at_any_operation_goes_on_and_does_nothing_twice(hears_again: bool):
    for kill_at in range(2, _operations() + 1):
        life = run(_live(kill_at, hears_again=hears_again))
        assert life.host.starts == life.host.creations, f"killed at {life.operations[kill_at - 1]}"
        assert len(life.host.creations) == len(set(life.host.creations)) == 3, (
            f"killed at {life.operations[kill_at - 1]}"
        )
        assert not life.host.roots, f"killed at {life.operations[kill_at - 1]}"
        assert not life.host.volumes, f"killed at {life.operations[kill_at - 1]}"
