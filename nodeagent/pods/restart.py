"""When an ended container runs again. Pure.

As the kubelet does it: the first restart follows at once, then the delay is 10 s and doubles up to 5 minutes; ten
minutes of running clear the record.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from nodeagent.pods.state import ContainerState, Termination

ALWAYS = "Always"
ON_FAILURE = "OnFailure"
NEVER = "Never"

BASE_SECONDS = 10.0
MAX_SECONDS = 300.0
FORGIVEN_AFTER = timedelta(minutes=10)

OUT_OF_MEMORY = "OOMKilled"
COMPLETED = "Completed"
ERROR = "Error"
CANNOT_RUN = "ContainerCannotRun"


def wanted(policy: str, exit_code: int) -> bool:
    """Whether a container that ended with this code is to run again under this policy."""
    if policy == ALWAYS:
        return True
    return policy == ON_FAILURE and exit_code != 0


def init_policy(pod_policy: str, container_policy: str | None) -> str:
    """An init container runs until it succeeds, unless the pod says Never; a sidecar always runs again."""
    if container_policy == ALWAYS:
        return ALWAYS
    return NEVER if pod_policy == NEVER else ON_FAILURE


def backoff_seconds(failures: int) -> float:
    """10, 20, 40, … 300 for 1, 2, 3, …; 0 for none."""
    if failures <= 0:
        return 0.0
    return min(BASE_SECONDS * 2.0 ** min(failures - 1, 16), MAX_SECONDS)


def crashes_after(container: ContainerState, ended: Termination) -> int:
    """The count that the next delay is made from."""
    if ended.started_at is not None and ended.finished_at - ended.started_at >= FORGIVEN_AFTER:
        return 0
    return container.crashes


def due(container: ContainerState) -> datetime:
    """When the ended container may start again."""
    if container.termination is None:
        raise ValueError(f"container {container.name} has not ended")
    return container.termination.finished_at + timedelta(seconds=backoff_seconds(container.crashes))


def exit_reason(exit_code: int, *, oom_killed: bool) -> str:
    if oom_killed:
        return OUT_OF_MEMORY
    return COMPLETED if exit_code == 0 else ERROR


def go_duration(seconds: float) -> str:
    """As Kubernetes prints it: ``10s``, ``1m20s``, ``5m0s``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{left}s"
    return f"{minutes}m{left}s" if minutes else f"{left}s"
