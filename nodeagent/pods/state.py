"""What the agent remembers of a pod: plain, frozen, and whole enough to go on after a crash at any line.

`lifecycle` reads it and says what to do, `transitions` makes the next one, `status` shows it to users, and
`checkpoint` keeps it. Nothing here does I/O or asks for the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Phase(StrEnum):
    """Of one container."""

    WAITING = "waiting"
    RUNNING = "running"
    TERMINATED = "terminated"


class Retry(StrEnum):
    """What a `Problem` keeps from happening."""

    SETUP = "setup"
    IMAGE = "image"
    CONFIG = "config"


@dataclass(frozen=True)
class Problem:
    """Why something cannot be done now, and when to try it again."""

    kind: Retry
    reason: str
    message: str
    since: datetime
    retry_at: datetime
    failures: int = 1


@dataclass(frozen=True)
class Termination:
    exit_code: int
    reason: str
    finished_at: datetime
    started_at: datetime | None = None
    message: str = ""
    container_id: str = ""


@dataclass(frozen=True)
class Stopping:
    """A container that was told to end."""

    deadline: datetime
    """When SIGKILL follows."""
    killed_at: datetime | None = None
    asked: datetime | None = None
    """The deadline that was asked for, where the minimum after a preStop hook has put it off."""
    pre_stop: bool = False
    """Its preStop hook runs; the signal follows."""
    signalled: bool = True
    """It was sent its stop signal."""


@dataclass(frozen=True)
class ContainerState:
    """One container of the pod, through all its attempts. ``attempt`` is also the restart count."""

    name: str
    attempt: int = 0
    phase: Phase = Phase.WAITING
    container_id: str = ""
    """Of the current or latest attempt; empty before the first."""
    image: str = ""
    """The reference that the current attempt was made from."""
    image_id: str = ""
    """As `imageID` in the status: ``repository@digest``."""
    stop_signal: str = ""
    """What the image asks for; empty: SIGTERM."""
    started_at: datetime | None = None
    termination: Termination | None = None
    last: Termination | None = None
    crashes: int = 0
    """Restarts since it last ran long enough: the exponent of the back-off."""
    problem: Problem | None = None
    stopping: Stopping | None = None
    post_start_pending: bool = False
    """It runs, and its postStart hook is not through."""
    startup_pending: bool = False
    """It runs, and its startup probe has not succeeded."""
    ready: bool = False
    """What its readiness probe says, where it has one."""
    failed: str = ""
    """Why the running attempt must be ended: a probe or its postStart hook failed."""
    failed_grace_seconds: float | None = None
    """Grace that the failed probe asks for, instead of the pod's."""
    passed: bool = False
    """It was up (started, hooked, its startup probe passed) once, in this attempt or an earlier one."""
    removed: bool = True
    """Nothing of the current attempt is left in the runtime, nor its root file system."""


@dataclass(frozen=True)
class Stop:
    """The pod as a whole is being ended."""

    since: datetime
    grace_seconds: float
    reason: str = ""
    """Why, where it was the agent's decision (DeadlineExceeded); empty for a deletion."""
    message: str = ""


@dataclass(frozen=True)
class Condition:
    type: str
    status: str
    since: datetime
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class PodState:
    containers: Mapping[str, ContainerState] = field(default_factory=dict)
    """By name; init containers too, for the names of a pod are unique among both."""
    started_at: datetime | None = None
    """When this agent accepted the pod."""
    addresses: tuple[str, ...] = ()
    stop: Stop | None = None
    released: bool = False
    """Network and volumes were given back, containers removed; logs may still be there."""
    gone: bool = False
    """Nothing at all is left."""
    final_phase: str = ""
    """Succeeded or Failed, once decided; never changes again."""
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    """As last shown, for their transition times."""

    # What follows lives in memory only: after a restart of the agent it is found out again.
    set_up: bool = False
    """The sandbox exists and the volumes are filled."""
    problem: Problem | None = None
    images: frozenset[str] = frozenset()
    """Containers whose image is here for their next start."""
    pulling: frozenset[str] = frozenset()
    pull_messages: Mapping[str, str] = field(default_factory=dict)
    """How far they are, by container."""

    def container(self, name: str) -> ContainerState:
        return self.containers.get(name) or ContainerState(name)
