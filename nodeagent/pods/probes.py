"""When a container is probed, and what the answers mean. Pure: no I/O, no clock, no chance.

A probe's answers are counted in a `Tally`; `verdict` says what they amount to. Failures and successes count in a row, as
with the kubelet. One thing is quicker here: until a readiness or startup probe has first succeeded, and within its first
period, a failed look is repeated soon (0.2 s, doubling) and does not count. A container that needs half a second to start
listening is ready after half a second, not after ten, and its failure threshold is as long as it was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from nodeagent.pods.state import ContainerState, Phase, PodState
from schema.core.container import Container
from schema.core.pod import Pod
from schema.core.probe import Probe

FIRST_LOOK_SECONDS = 0.2
SPREAD_SECONDS = 1.0
"""The first liveness probes of containers that start together are spread over this, at most over a tenth of the period."""


class Kind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"

    @property
    def heading(self) -> str:
        """As events begin: Liveness probe failed …"""
        return self.value.capitalize()


@dataclass(frozen=True)
class Target:
    """One probe of one attempt of a container."""

    container: str
    container_id: str
    kind: Kind


@dataclass(frozen=True)
class Tally:
    successes: int = 0
    failures: int = 0
    """In a row: one of the two is always 0."""
    looks: int = 0
    """Early ones that failed and do not count."""
    settled: bool = False
    """There has been a success, or the first period is over: no early looks any more."""


def of(container: Container, kind: Kind) -> Probe | None:
    match kind:
        case Kind.STARTUP:
            return container.startup_probe
        case Kind.LIVENESS:
            return container.liveness_probe
        case Kind.READINESS:
            return container.readiness_probe


def wanted(pod: Pod, state: PodState) -> Iterator[Target]:
    """The probes that run now.

    Nothing is probed before postStart is through, and nothing but the startup probe before that has succeeded. Of a pod
    that ends only readiness is still asked for, so that those who serve its last requests know; of a container that is
    being restarted nothing is.
    """
    if state.final_phase or state.gone:
        return
    for container in [*pod.spec.init_containers, *pod.spec.containers]:
        known = state.container(container.name)
        if known.phase is not Phase.RUNNING or known.post_start_pending or known.failed:
            continue
        for kind in _kinds(known, state):
            if of(container, kind) is not None:
                yield Target(container.name, known.container_id, kind)


def _kinds(known: ContainerState, state: PodState) -> tuple[Kind, ...]:
    if state.stop is not None:
        return () if known.startup_pending else (Kind.READINESS,)
    if known.stopping is not None:
        return ()
    return (Kind.STARTUP,) if known.startup_pending else (Kind.LIVENESS, Kind.READINESS)


def first_due(probe: Probe, kind: Kind, started_at: datetime, now: datetime, chance: float) -> datetime:
    """``chance`` from 0 to 1 spreads what would else come all at once: the liveness probes of containers that start
    together, and all probes of an agent that has just taken over containers that run."""
    due = started_at + timedelta(seconds=probe.initial_delay_seconds)
    period = period_seconds(probe)
    if due + timedelta(seconds=period) < now:
        return now + timedelta(seconds=chance * period)
    if kind is Kind.LIVENESS:
        return max(due, now) + timedelta(seconds=chance * min(SPREAD_SECONDS, period / 10))
    return max(due, now)


def counted(probe: Probe, kind: Kind, tally: Tally, *, success: bool) -> Tally:
    """The tally with one more answer."""
    if success:
        return Tally(successes=tally.successes + 1, settled=True)
    if kind is not Kind.LIVENESS and not tally.settled and _look_seconds(tally.looks + 1) < period_seconds(probe):
        return replace(tally, looks=tally.looks + 1)
    return Tally(failures=tally.failures + 1, settled=True)


def _look_seconds(looks: int) -> float:
    """From the first look to the one after ``looks`` failed ones."""
    return FIRST_LOOK_SECONDS * float(2**looks - 1)


def next_in(probe: Probe, tally: Tally) -> float:
    """Seconds from this probe's beginning to the next one's."""
    if tally.looks:
        return FIRST_LOOK_SECONDS * 2.0 ** (tally.looks - 1)
    return period_seconds(probe)


def verdict(probe: Probe, tally: Tally) -> bool | None:
    """True or False once enough answers in a row agree; None before."""
    if tally.successes >= max(probe.success_threshold, 1):
        return True
    if tally.failures >= (probe.failure_threshold or 3):
        return False
    return None


def period_seconds(probe: Probe) -> float:
    return float(probe.period_seconds or 10)


def timeout_seconds(probe: Probe) -> float:
    return float(probe.timeout_seconds or 1)
