"""The group batch."""

from __future__ import annotations

from schema.batch.cronjob import CronJob
from schema.batch.job import Job
from schema.kind import Kind

JOB = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    singular="job",
    namespaced=True,
    model=Job,
    categories=("all",),
    subresources=("status",),
    selectable_fields=("status.successful",),
    field_aliases=(("status.successful", "status.succeeded"),),
)
CRON_JOB = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    singular="cronjob",
    namespaced=True,
    model=CronJob,
    short_names=("cj",),
    categories=("all",),
    subresources=("status",),
)

ALL: tuple[Kind, ...] = (JOB, CRON_JOB)
