"""What is to be done for a cron job. Pure.

Each time that fell due gets one entry in the ledger, in the transaction that acts on it; the newest entry says up to when all is
decided. Of several times that fell due while nobody looked, only the newest may still run: all are missed, and the
newest is made up for if its deadline allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controlplane.controllers.plan import find
from schema import cron, meta
from schema.base import Wire

LEDGER_ENTRIES = 50
IN_TIME = timedelta(seconds=10)
"""Started so late it is still in time."""
SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""Annotation of a job: when it was due."""


@dataclass(frozen=True)
class Told:
    severity: str
    reason: str
    message: str


@dataclass
class Decision:
    status: Wire = field(default_factory=dict)
    create: Wire | None = None
    delete: list[Wire] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    again: datetime | None = None


def decide(cronjob: Wire, jobs: Sequence[Wire], now: datetime) -> Decision:
    """``jobs`` are those it controls. Raises `cron.ScheduleError` for a time zone that the system has forgotten."""
    return _Pass(cronjob, jobs, now).decide()


def outcome_of(job: Wire) -> str:
    """Complete or Failed; empty while it runs."""
    return next((name for name in ("Complete", "Failed") if find(job, name).get("status") == "True"), "")


def name_of(cronjob: Wire, due: datetime) -> str:
    """From the time due, so that firing twice makes one job."""
    return f"{cronjob['metadata']['name']}-{int(due.timestamp()) // 60}"


class _Pass:
    def __init__(self, cronjob: Wire, jobs: Sequence[Wire], now: datetime) -> None:
        self.cronjob, self.jobs, self.now = cronjob, jobs, now
        self.spec: Wire = cronjob["spec"]
        self.before: Wire = cronjob.get("status") or {}
        self.ledger: list[Wire] = list(self.before.get("ledger") or ())
        self.running = [job for job in jobs if not outcome_of(job) and "deletionTimestamp" not in job["metadata"]]
        self.last_scheduled: str | None = self.before.get("lastScheduleTime")
        self.out = Decision()
        self.is_another = self.before.get("observedGeneration", 0) not in (0, cronjob["metadata"].get("generation"))
        self.since = self._since()

    def decide(self) -> Decision:
        due = cron.latest(self.spec["schedule"], self.since, self.now, self.spec.get("timeZone"))
        for moment in due:
            self._settle(moment, newest=moment == due[-1])
        self._tell_ended()
        self._tidy()
        self._write_status()
        return self.out

    def _since(self) -> datetime:
        """Up to when all is decided."""
        if self.is_another:  # what it would have been due at before it was written is nothing
            return self.now.replace(microsecond=0)
        known = [self.cronjob["metadata"]["creationTimestamp"], self.last_scheduled, self.before.get("countsFrom")]
        known += [each["due"] for each in self.ledger[-1:]]
        return max(meta.parse_time(each) for each in known if each)

    def _settle(self, due: datetime, *, newest: bool) -> None:
        if self.spec.get("suspend"):
            self._enter(due, "skipped", "Suspended", "the cron job is suspended")
            return
        late = self.now - due
        deadline = self.spec.get("startingDeadlineSeconds")
        if deadline is not None and late > timedelta(seconds=deadline):
            self._enter(due, "missed", "DeadlinePassed", f"it could not start within {deadline} s")
            self.out.events.append(
                Told("Warning", "MissSchedule", f"Missed scheduled time to start a job: {_text(due)}")
            )
            return
        if late > IN_TIME or not newest:
            seconds = int(late.total_seconds())
            self._enter(due, "missed", "NotStartedInTime", f"nobody was there to start it; found out {seconds} s later")
            if not newest:
                return
        self._start(due, made_up=late > IN_TIME)

    def _start(self, due: datetime, *, made_up: bool) -> None:
        policy = self.spec.get("concurrencyPolicy") or "Allow"
        names = [job["metadata"]["name"] for job in self.running]
        if names and policy == "Forbid":
            self._enter(due, "skipped", "JobRunning", f"{', '.join(names)} still runs and concurrencyPolicy is Forbid")
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.out.events.append(Told("Normal", "JobAlreadyActive", message))
            return
        replaces = names if policy == "Replace" else []
        if replaces:
            self.out.delete += self.running
            self.running = []
        job = self._job(due)
        self.out.create = job
        self.last_scheduled = _text(due)
        reason = "MadeUp" if made_up else "OnTime"
        message = f"started {int((self.now - due).total_seconds())} s late" if made_up else ""
        if replaces:
            message = "; ".join(part for part in (message, f"{', '.join(replaces)} was ended for it") if part)
        self._enter(due, "replaced" if replaces else "ran", reason, message, job["metadata"]["name"])

    def _enter(self, due: datetime, outcome: str, reason: str, message: str, job: str = "") -> None:
        entry = {
            "due": _text(due),
            "outcome": outcome,
            "reason": reason,
            "message": message,
            "job": job,
            "at": _text(self.now),
        }
        self.ledger.append({name: value for name, value in entry.items() if value})

    def _job(self, due: datetime) -> Wire:
        template, metadata = self.spec["jobTemplate"], self.cronjob["metadata"]
        given = template.get("metadata") or {}
        local = due.astimezone(cron.zone(self.spec.get("timeZone"))).isoformat()
        owner = {
            "apiVersion": self.cronjob["apiVersion"],
            "kind": self.cronjob["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name_of(self.cronjob, due),
                "namespace": metadata["namespace"],
                "labels": dict(given.get("labels") or {}),
                "annotations": {**(given.get("annotations") or {}), SCHEDULED_AT: local.replace("+00:00", "Z")},
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
        }

    def _tell_ended(self) -> None:
        known = {each.get("uid") for each in self.before.get("active") or ()}
        for job in self.jobs:
            ended = outcome_of(job)
            if ended and job["metadata"]["uid"] in known:
                message = f"Saw completed job: {job['metadata']['name']}, condition: {ended}"
                self.out.events.append(Told("Normal", "SawCompletedJob", message))

    def _tidy(self) -> None:
        """Of finished jobs only the latest few are kept."""
        for ended, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            most = self.spec.get(limit)
            done = [job for job in self.jobs if outcome_of(job) == ended and "deletionTimestamp" not in job["metadata"]]
            done.sort(key=lambda job: (job["status"].get("startTime") or "", job["metadata"]["name"]))
            if most is not None and len(done) > most:
                self.out.delete += done[: len(done) - most]

    def _write_status(self) -> None:
        completions = [job["status"].get("completionTime") for job in self.jobs if outcome_of(job) == "Complete"]
        successes = [each for each in (*completions, self.before.get("lastSuccessfulTime")) if each]
        self.out.again = cron.following(self.spec["schedule"], self.since, self.now, self.spec.get("timeZone"))
        status: dict[str, Any] = {
            **self.before,
            "active": [_reference(job) for job in self.running],
            "lastScheduleTime": self.last_scheduled,
            "lastSuccessfulTime": max(successes, default=None),
            "ledger": self.ledger[-LEDGER_ENTRIES:],
            "nextScheduleTime": _text(self.out.again) if self.out.again else None,
            "observedGeneration": self.cronjob["metadata"].get("generation"),
            "countsFrom": _text(self.since) if self.is_another else self.before.get("countsFrom"),
        }
        self.out.status = {name: value for name, value in status.items() if value not in (None, [])}


def _text(moment: datetime) -> str:
    return meta.format_time(moment)


def _reference(job: Wire) -> Wire:
    metadata = job["metadata"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
