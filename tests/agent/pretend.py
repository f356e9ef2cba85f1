"""A pretended node with a pretended clock: minutes of back-off pass in microseconds, and always in the same order."""

from __future__ import annotations

import asyncio
import selectors
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from nodeagent.pods.context import Context, Facilities
from nodeagent.pods.record import Record
from nodeagent.pods.status import Host
from nodeagent.pods.transitions import accepted
from nodeagent.pods.worker import Worker
from nodeagent.runtime import fake
from nodeagent.runtime.fake import FakeHost
from nodeagent.settings import Settings
from schema.base import Wire
from schema.core.pod import Pod
from schema.session import EventReport, PodStatusReport, VolumeReport

T = TypeVar("T")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what the loop would have slept, the loop's clock jumps."""

    loop: FakeTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise AssertionError("nothing will ever happen again: a task waits for what nobody does")
        self.loop.passed += timeout
        return []


class FakeTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self
        self.passed = 0.0

    def time(self) -> float:
        return getattr(self, "passed", 0.0)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """At once: a thread would run in real time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def run(scenario: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        return runner.run(scenario)


class LoopClock:
    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def container(name: str = "web", command: list[str] | None = None, **more: Any) -> Wire:
    return {"name": name, "image": "shop:1", "command": command or ["serve"]} | more


def pod_wire(*containers: Wire, uid: str = "", name: str = "shop", **spec: Any) -> Wire:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid or str(uuid.uuid4()),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"containers": list(containers) or [container()], "nodeName": "node-1"} | spec,
        "status": {"phase": "Pending"},
    }


def pod(*containers: Wire, **more: Any) -> Pod:
    return Pod.parse(pod_wire(*containers, **more))


def deleted(wire: Wire, grace_seconds: int) -> Wire:
    metadata = {"deletionTimestamp": "2026-01-01T00:01:00Z", "deletionGracePeriodSeconds": grace_seconds}
    return wire | {"metadata": wire["metadata"] | metadata}


def settings(home: Path, **more: Any) -> Settings:
    values: dict[str, Any] = {
        "home": home,
        "run_dir": home / "run",
        "server": "",
        "token": "",
        "ca_file": None,
        "node_name": "node-1",
        "cgroup_parent": "slipway-test",
    }
    return Settings(**(values | more))


@dataclass
class Heard:
    """What would have gone up to the control plane."""

    statuses: list[PodStatusReport] = field(default_factory=list)
    events: list[EventReport] = field(default_factory=list)
    volumes: list[VolumeReport] = field(default_factory=list)

    def pod_status(self, report: PodStatusReport, *, urgent: bool) -> None:
        self.statuses.append(report)

    def event(self, report: EventReport) -> None:
        self.events.append(report)

    def volume(self, report: VolumeReport) -> None:
        self.volumes.append(report)

    @property
    def last(self) -> Wire:
        return self.statuses[-1].status

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def phases(self) -> list[str]:
        """Without repetitions."""
        found: list[str] = []
        for report in self.statuses:
            if not found or found[-1] != report.status["phase"]:
                found.append(report.status["phase"])
        return found


def facilities(host: FakeHost) -> Facilities:
    return Facilities(
        runtime=fake.FakeRuntime(host),
        network=fake.FakeNetwork(host),
        volumes=fake.FakeVolumes(host),
        images=fake.FakeImages(host),
        plan=fake.plan,
        hold=fake.hold,
    )


class Node:
    """One pod and its worker on a pretended host."""

    def __init__(self, wire: Wire, *, host: FakeHost | None = None, record: Record | None = None) -> None:
        clock = LoopClock()
        if host is None:
            host = FakeHost(now=clock.now)
            host.add_image("shop:1")
        self.host = host
        self.heard = Heard()
        self.home = Path(tempfile.mkdtemp(prefix="slipway-pretend-"))
        self.context = Context(settings(self.home), facilities(host), self.heard, clock, addresses=Host(["192.0.2.10"]))
        self.context.network_settled.set()
        parsed = Pod.parse(wire)
        self.record = record or Record(wire, parsed, accepted(parsed, clock.now()))
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Node:
        self._tasks = [
            asyncio.create_task(Worker(self.record, self.context, lambda _: None).run(), name="worker"),
            asyncio.create_task(self._carry_exits(), name="exits"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        shutil.rmtree(self.home)

    async def _carry_exits(self) -> None:
        async for end in self.context.host.runtime.exits():
            self.record.exits.append(end)
            self.record.wake.set()

    async def until(self, what: Callable[[], Any], *, seconds: float = 3600.0) -> None:
        """Pretended seconds."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not what():
            assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s; last: {self.heard.last}"
            await asyncio.sleep(0.05)

    async def until_phase(self, phase: str) -> None:
        await self.until(lambda: self.heard.statuses and self.heard.last["phase"] == phase)

    def state(self, name: str = "web") -> Wire:
        statuses = [*self.heard.last.get("initContainerStatuses", []), *self.heard.last["containerStatuses"]]
        found: Wire = next(one for one in statuses if one["name"] == name)
        return found

    def desire(self, wire: Wire) -> None:
        self.record.desire(wire)

    def end(self, name: str, code: int = 0) -> None:
        """The container ends by itself, now."""
        runtime = self.context.host.runtime
        assert isinstance(runtime, fake.FakeRuntime)
        runtime.end(self.record.state.container(name).container_id, code)

    def is_clean(self) -> bool:
        """Nothing of the pod is left on the host."""
        host = self.host
        return not (host.containers or host.sandboxes or host.volumes or host.roots)


Scenario = Callable[[Node], Awaitable[None]]
