"""How long to wait before a failed pod is replaced. Pure.

Ten seconds after the first failure, doubling with each further one up to ten minutes; a success begins anew. Nothing is
remembered: it follows from the pods that are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from controlplane.controllers.jobs.pods import Pod

FIRST_SECONDS = 10
LONGEST_SECONDS = 600


def delay(failures: int) -> timedelta:
    return timedelta(seconds=min(FIRST_SECONDS * 2 ** min(max(failures, 1) - 1, 10), LONGEST_SECONDS))


def until(pods: Iterable[Pod], now: datetime) -> datetime | None:
    """When the next pod may be made; None: at once."""
    over = sorted(((pod.ended(now), pod) for pod in pods if pod.is_over), key=lambda each: each[0])
    failures = 0
    last: datetime | None = None
    for ended, pod in over:
        if pod.has_succeeded:
            failures, last = 0, None
        else:
            failures, last = failures + 1, ended
    if last is None:
        return None
    at = last + delay(failures)
    return at if at > now else None


def until_index(pod: Pod, failures: int, now: datetime) -> datetime | None:
    """The same for one index, whose last pod failed as the ``failures``-th."""
    at = pod.ended(now) + delay(failures)
    return at if at > now else None
