"""What is remembered of a container, in memory and in ``slipway.json`` of its bundle, so that an agent that comes
later can adopt it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nodeagent.facilities import ContainerPlan

FILE = "slipway.json"
STARTED = "started"


@dataclass
class Record:
    container_id: str
    pod_uid: str
    name: str
    attempt: int
    bundle: Path
    cgroup: str
    """Of the container."""
    terminal: bool
    stdin: bool
    shares_processes: bool = False
    """Its process namespace does not end with it, so what it leaves is ended by us."""
    pid: int = 0
    conmon: int = 0
    conmon_pidfd: int = -1
    created: bool = False
    exited: bool = False
    unwatch: Callable[[], object] | None = field(default=None, repr=False)

    @property
    def started_at(self) -> datetime | None:
        """None while the process is not yet started."""
        try:
            return datetime.fromtimestamp((self.bundle / STARTED).stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        if self.unwatch is not None:
            self.unwatch()
            self.unwatch = None
        if self.conmon_pidfd >= 0:
            os.close(self.conmon_pidfd)
            self.conmon_pidfd = -1


def of_plan(plan: ContainerPlan) -> Record:
    return Record(
        container_id=plan.container_id,
        pod_uid=plan.pod_uid,
        name=plan.name,
        attempt=plan.attempt,
        bundle=plan.bundle,
        cgroup=plan.spec["linux"]["cgroupsPath"],
        terminal=plan.terminal,
        stdin=plan.stdin,
        shares_processes={"type": "pid"} not in plan.spec["linux"]["namespaces"],
    )


def save(record: Record) -> None:
    fields = ("container_id", "pod_uid", "name", "attempt", "cgroup", "terminal", "stdin", "shares_processes")
    text = json.dumps({name: getattr(record, name) for name in fields})
    (record.bundle / FILE).write_text(text)


def load(bundle: Path) -> Record | None:
    """None for a directory that holds no whole record: the agent died between its making and its filling."""
    try:
        fields = json.loads((bundle / FILE).read_text())
        record = Record(bundle=bundle, **fields)
    except (OSError, ValueError, TypeError):
        return None
    read_pids(record)
    return record


def read_pids(record: Record) -> None:
    """What conmon wrote of itself and the container, as far as it has."""
    for name, attribute in (("pidfile", "pid"), ("conmon.pid", "conmon")):
        with contextlib.suppress(OSError, ValueError):
            setattr(record, attribute, int((record.bundle / name).read_text()))
