"""CronJob: a job at set times."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, OneOf
from schema.batch.job import JobSpec
from schema.core.reference import ObjectReference
from schema.meta import Int64, Natural32, Natural64, Object, ObjectMeta, Time


class JobTemplateSpec(ApiModel):
    """What the jobs should be."""

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    """Labels and annotations of the jobs."""
    spec: JobSpec
    """What they should do."""


class CronJobSpec(ApiModel):
    """When which job is to run."""

    schedule: str
    """Minute, hour, day of month, month, day of week, as in cron (``*/5 8-17 * * MON-FRI``), or @hourly, @daily, @midnight,
    @weekly, @monthly, @yearly, @annually."""
    time_zone: str | None = None
    """The time zone the schedule is in (Europe/Berlin); UTC by default."""
    starting_deadline_seconds: Natural64 | None = None
    """A run that could not start within so many seconds is missed; without it, it starts however late."""
    concurrency_policy: Annotated[str, OneOf("Allow", "Forbid", "Replace")] = ""
    """While the job of the time before still runs: Allow (default) runs another beside it, Forbid skips, Replace ends it."""
    suspend: bool | None = None
    """True: what falls due is skipped."""
    job_template: JobTemplateSpec
    """The jobs."""
    successful_jobs_history_limit: Natural32 | None = None
    """So many completed jobs are kept; 3 by default."""
    failed_jobs_history_limit: Natural32 | None = None
    """So many failed jobs are kept; 1 by default."""


class LedgerEntry(ApiModel):
    """What became of one time that fell due. Of Slipway; Kubernetes has nothing like it."""

    due: Time
    """When it was due."""
    outcome: Annotated[str, OneOf("ran", "skipped", "missed", "replaced")]
    """ran: its job was made. replaced: its job was made and the one before ended for it. skipped: the policy did not want it.
    missed: nobody was there to start it. The newest missed one is made up for if its deadline allows, with an entry of its
    own."""
    reason: str = ""
    """Why, in one CamelCase word: OnTime, MadeUp, JobRunning, Suspended, NotStartedInTime, DeadlinePassed."""
    message: str = ""
    """Why, in a sentence."""
    job: str = ""
    """Name of the job, where one was made."""
    at: Time | None = None
    """When this was decided."""


class CronJobStatus(ApiModel):
    """What is observed of a cron job."""

    active: list[ObjectReference] = []
    """Its jobs that run."""
    last_schedule_time: Time | None = None
    """The last time due for which a job was made."""
    last_successful_time: Time | None = None
    """When one of its jobs last completed."""
    ledger: list[LedgerEntry] = []
    """What became of the latest times that fell due, newest last; at most 50."""
    next_schedule_time: Time | None = None
    """When the next falls due."""
    observed_generation: Int64 = 0
    """The metadata.generation that the ledger goes by."""
    counts_from: Time | None = None
    """When that generation was first looked at, where it is not the first one: a schedule that is changed counts from then on."""


class CronJob(Object):
    """A job at set times, and a ledger of what became of each."""

    api_version: str = "batch/v1"
    kind: str = "CronJob"
    spec: CronJobSpec
    """When which job is to run."""
    status: CronJobStatus = Field(default_factory=CronJobStatus)
    """What is observed of it."""
