"""Which web processes live: each says so every other second in a row of its own, outside the history.

A lease names the process that holds its node's session (`PROCESS`). So the death of a process with a thousand sessions
is seen within seconds, at the price of one small write per process, not one per node.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from controlplane.store.models import Process

PROCESS = "slipway.dev/process"
"""Annotation of a lease: the web process that holds the session."""
FORGOTTEN_SECONDS = 3600.0

Renewals = Mapping[str, float]
"""By process: when it last said that it lives, in seconds since the epoch."""


def renew(process: str) -> None:
    Process.objects.bulk_create(
        [Process(id=process, renewed_at=time.time())],
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["renewed_at"],
    )


def renewals() -> Renewals:
    return dict(Process.objects.values_list("id", "renewed_at"))


def forget_old() -> None:
    Process.objects.filter(renewed_at__lt=time.time() - FORGOTTEN_SECONDS).delete()
