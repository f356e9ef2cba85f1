"""CronJob: jobs beside each other, the latest few kept."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting import job
from schema.defaulting.parts import child, fill


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    fill(spec, "concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    inner = child(child(spec, "jobTemplate") or {}, "spec")
    if inner is not None:
        job.default_template(inner)
