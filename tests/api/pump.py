"""Does in this thread what queue and workers do: takes each commit to the controllers that it concerns, until all is quiet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controlplane.controllers import registry, tasks
from controlplane.controllers.base import Verdict
from controlplane.controllers.broker import Work
from controlplane.scheduler import tasks as scheduling
from controlplane.store.signals import committed


class Pump:
    def __init__(self) -> None:
        self._waiting: OrderedDict[Work, None] = OrderedDict()
        self.waits: dict[Work, Verdict] = {}
        """What the last pass over each key wants to look at again later, and why."""

    def receive(self, changes: list[Any], **_: Any) -> None:
        for change in changes:
            self._waiting.update(dict.fromkeys(registry.work_for(change)))

    def settle(self, *, passes: int = 500) -> None:
        for _ in range(passes):
            if not self._waiting:
                return
            work, _ = self._waiting.popitem(last=False)
            verdict = perform(work)
            self.waits.pop(work, None)
            if verdict.again_after == 0:
                self._waiting[work] = None
            elif verdict.again_after is not None:
                self.waits[work] = verdict
        raise AssertionError(f"no rest after {passes} passes; next: {list(self._waiting)[:5]}")


def perform(work: Work) -> Verdict:
    if work.task == registry.RECONCILE:
        controller, namespace, name = work.arguments
        return registry.CONTROLLERS[controller].reconcile(namespace, name)
    if work.task == registry.COLLECT:
        return registry.GARBAGE.look(*work.arguments)
    if work == registry.COLLECT_PODS:
        return tasks._collect_pods()
    assert work == registry.DRAIN
    return scheduling.run()


@contextmanager
def pumping() -> Iterator[Pump]:
    pump = Pump()
    committed.connect(pump.receive, weak=False)
    try:
        yield pump
    finally:
        committed.disconnect(pump.receive)
