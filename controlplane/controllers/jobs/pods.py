"""What a job needs to know of one of its pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from schema import meta
from schema.base import Wire
from schema.batch.job import INDEX

FINALIZER = "batch.kubernetes.io/job-tracking"
"""On a pod that is not in its job's counts yet."""
FAILURES = "batch.kubernetes.io/job-index-failure-count"
"""Annotation: how often the pod's index had failed before."""
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
"""Annotation: how many failures of the index were ignored."""


@dataclass(frozen=True)
class Pod:
    wire: Wire

    @property
    def uid(self) -> str:
        return str(self.wire["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.wire["metadata"]["name"])

    @property
    def status(self) -> Wire:
        found: Wire = self.wire.get("status") or {}
        return found

    @property
    def is_tracked(self) -> bool:
        """Not counted yet."""
        return FINALIZER in (self.wire["metadata"].get("finalizers") or ())

    @property
    def is_deleted(self) -> bool:
        return "deletionTimestamp" in self.wire["metadata"]

    @property
    def has_succeeded(self) -> bool:
        return self.status.get("phase") == "Succeeded"

    @property
    def has_failed(self) -> bool:
        """It is over and did not succeed; one that was deleted and has run out, or never ran, will not say so itself."""
        if self.has_succeeded:
            return False
        gone = self.is_deleted and (
            not (self.wire.get("spec") or {}).get("nodeName")
            or self.wire["metadata"].get("deletionGracePeriodSeconds") == 0
        )
        return self.status.get("phase") == "Failed" or gone

    @property
    def is_over(self) -> bool:
        return self.has_succeeded or self.has_failed

    @property
    def is_active(self) -> bool:
        return not self.is_over and not self.is_deleted

    @property
    def is_terminating(self) -> bool:
        return not self.is_over and self.is_deleted

    @property
    def is_ready(self) -> bool:
        conditions = self.status.get("conditions") or ()
        return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)

    @property
    def index(self) -> int | None:
        text = (self.wire["metadata"].get("annotations") or {}).get(INDEX, "")
        return int(text) if text.isascii() and text.isdecimal() else None

    @property
    def created(self) -> str:
        return str(self.wire["metadata"].get("creationTimestamp") or "")

    @property
    def restarts(self) -> int:
        return sum(int(each.get("restartCount") or 0) for each in self.container_statuses())

    def count(self, annotation: str) -> int:
        text = (self.wire["metadata"].get("annotations") or {}).get(annotation, "0")
        return int(text) if text.isascii() and text.isdecimal() else 0

    def container_statuses(self) -> Iterable[Wire]:
        yield from self.status.get("initContainerStatuses") or ()
        yield from self.status.get("containerStatuses") or ()

    def ended(self, now: datetime) -> datetime:
        """When its last container ended, else when it was deleted or its status last changed, else now."""
        times = [
            (each.get("state") or {}).get("terminated", {}).get("finishedAt") for each in self.container_statuses()
        ]
        known = [time for time in times if time]
        if not known:
            known = [each.get("lastTransitionTime") for each in self.status.get("conditions") or ()]
            known = [time for time in known if time]
        if not known and self.is_deleted:
            known = [self.wire["metadata"]["deletionTimestamp"]]
        found = [_moment(time) for time in known]
        return min(max([each for each in found if each is not None], default=now), now)


def _moment(text: str) -> datetime | None:
    try:
        return meta.parse_time(text)
    except ValueError:
        return None
