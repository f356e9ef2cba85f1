"""What is to be done for a job. Pure.

A pod that has ended is counted once: it carries a finalizer until it is in the job's counts, and both happen in one
transaction. Pods that are ended on purpose (too many, suspended, the job is over) are let go uncounted.

Order: count what has ended; see whether the job is over, or going to be; else bring the number of pods to what it should be.
A job that is going to be over (FailureTarget, SuccessCriteriaMet) becomes so when its last pod has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controlplane.controllers.jobs import backoff, failures, success
from controlplane.controllers.jobs.failures import Verdict
from controlplane.controllers.jobs.pods import FAILURES, IGNORED, Pod
from controlplane.controllers.plan import Condition, find, merge
from schema import indexes, meta
from schema.base import Wire

MOST_PODS = 200
"""Made or ended in one pass; other writers wait for no longer than that takes."""
MANAGER = "kubernetes.io/job-controller"


@dataclass(frozen=True)
class New:
    """A pod to be made."""

    index: int | None = None
    failures: int = 0
    """How often its index has failed before."""
    ignored: int = 0


@dataclass(frozen=True)
class Told:
    severity: str
    reason: str
    message: str


@dataclass
class Decision:
    status: Wire
    """All of it, as it will be when the rest has been done."""
    counted: list[Pod] = field(default_factory=list)
    """They are in the counts now and lose their finalizer."""
    delete: list[Pod] = field(default_factory=list)
    """They lose their finalizer uncounted and are deleted."""
    create: list[New] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    again: datetime | None = None
    remove: bool = False
    """The job itself has outlived its time."""

    def wake(self, at: datetime | None) -> None:
        if at is not None and (self.again is None or at < self.again):
            self.again = at


@dataclass(frozen=True)
class _Verdict:
    """What the job is, or is going to be."""

    succeeds: bool
    reason: str
    message: str


def is_ours(job: Wire) -> bool:
    return (job["spec"].get("managedBy") or MANAGER) == MANAGER


def is_finished(job: Wire) -> bool:
    return any(find(job, name).get("status") == "True" for name in ("Complete", "Failed"))


def decide(job: Wire, pods: Sequence[Pod], now: datetime) -> Decision:
    if is_finished(job):
        return _after(job, pods, now)
    return _Pass(job, pods, now).decide()


def _after(job: Wire, pods: Sequence[Pod], now: datetime) -> Decision:
    """A finished job: nothing holds its pods, and it goes when its time is over."""
    decision = Decision(job["status"], counted=[pod for pod in pods if pod.is_tracked])
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is not None:
        since = next(each for each in (find(job, "Complete"), find(job, "Failed")) if each.get("status") == "True")
        at = meta.parse_time(since["lastTransitionTime"]) + timedelta(seconds=seconds)
        decision.remove = at <= now
        decision.wake(None if decision.remove else at)
    return decision


class _Pass:
    def __init__(self, job: Wire, pods: Sequence[Pod], now: datetime) -> None:
        self.job, self.pods, self.now = job, pods, now
        self.spec: Wire = job["spec"]
        self.before: Wire = job.get("status") or {}
        self.parallelism: int = _number(self.spec.get("parallelism"), 1)
        self.completions: int | None = self.spec.get("completions")
        self.indexed = self.spec.get("completionMode") == "Indexed"
        self.per_index: int | None = self.spec.get("backoffLimitPerIndex") if self.indexed else None
        self.only_failed = self.spec.get("podReplacementPolicy") == "Failed"
        self.suspended = bool(self.spec.get("suspend"))
        self.succeeded: int = self.before.get("succeeded") or 0
        self.failed: int = self.before.get("failed") or 0
        self.completed = indexes.read(self.before.get("completedIndexes"), self.completions) if self.indexed else set()
        self.given_up = indexes.read(self.before.get("failedIndexes"), self.completions) if self.indexed else set()
        self.fails = ""
        """Why a failure policy ends the job."""
        self.out = Decision({})

    def decide(self) -> Decision:
        self._count()
        verdict = self._verdict()
        active = [pod for pod in self.pods if pod.is_active]
        if verdict is not None:
            self._count_deferred()
            self._end(active)
            kept: list[Pod] = []
        elif self.suspended:
            self._end(active)
            kept = []
        else:
            kept = self._trim(active)
            self._fill(kept)
        self._settle(verdict, kept)
        return self.out

    # Counting

    def _count(self) -> None:
        for pod in self.pods:
            if pod.is_tracked and pod.has_succeeded:
                self._count_success(pod)
        for pod in self.pods:
            if pod.is_tracked and self._counts_as_failed(pod):
                self._count_failure(pod)
        if self.indexed:
            self.succeeded = len(self.completed)

    def _counts_as_failed(self, pod: Pod) -> bool:
        """Deleted is failed at once, unless only what has ended is replaced."""
        return pod.has_failed or (pod.is_deleted and not self.only_failed and not pod.has_succeeded)

    def _count_success(self, pod: Pod) -> None:
        self.out.counted.append(pod)
        self.succeeded += 1
        if self.indexed and self._is_index(pod.index):
            self.completed.add(pod.index)  # type: ignore[arg-type]

    def _is_index(self, index: int | None) -> bool:
        return index is not None and 0 <= index < (self.completions or 0)

    def _count_failure(self, pod: Pod) -> None:
        verdict = self._judge(pod)
        if verdict.action == failures.FAIL_JOB:
            self.fails = self.fails or verdict.message
        elif self.per_index is not None and self._is_index(pod.index) and pod.index not in self.completed:
            if verdict.action == failures.FAIL_INDEX or self._failures_with(pod) > self.per_index:
                self.given_up.add(pod.index)  # type: ignore[arg-type]
            elif not self._is_replaced(pod):
                return  # it carries the count of its index until its successor does
        self.out.counted.append(pod)
        self.failed += verdict.action != failures.IGNORE

    def _judge(self, pod: Pod) -> Verdict:
        return failures.judge(self.spec.get("podFailurePolicy"), pod) if pod.has_failed else Verdict()

    def _failures_with(self, pod: Pod) -> int:
        return pod.count(FAILURES) + (self._judge(pod).action != failures.IGNORE)

    def _is_replaced(self, pod: Pod) -> bool:
        return any(each.index == pod.index and _rank(each) > _rank(pod) for each in self.pods)

    def _count_deferred(self) -> None:
        """The job is ending: nobody will succeed those that still carried a count."""
        known = {pod.uid for pod in self.out.counted}
        for pod in self.pods:
            if pod.is_tracked and pod.uid not in known and self._counts_as_failed(pod):
                self.out.counted.append(pod)
                self.failed += self._judge(pod).action != failures.IGNORE

    # The verdict

    def _verdict(self) -> _Verdict | None:
        for name, succeeds in (("FailureTarget", False), ("SuccessCriteriaMet", True)):
            held = find(self.job, name)
            if held.get("status") == "True":
                return _Verdict(succeeds, held.get("reason", ""), held.get("message", ""))
        return self._failure() or self._success()

    def _failure(self) -> _Verdict | None:
        if self.fails:
            return _Verdict(False, "PodFailurePolicy", self.fails)
        if self.failed > self._limit() or self._restarts_exceed():
            return _Verdict(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
        deadline = self._deadline()
        if deadline is not None and deadline <= self.now:
            return _Verdict(False, "DeadlineExceeded", "Job was active longer than specified deadline")
        self.out.wake(deadline)
        most = self.spec.get("maxFailedIndexes")
        if most is not None and len(self.given_up) > most:
            message = "Job has exceeded the specified maximal number of failed indexes"
            return _Verdict(False, "MaxFailedIndexesExceeded", message)
        if self.given_up and len(self.completed) + len(self.given_up) >= (self.completions or 0):
            return _Verdict(False, "FailedIndexes", "Job has failed indexes")
        return None

    def _limit(self) -> int:
        return _number(self.spec.get("backoffLimit"), 2**31 - 1 if self.per_index is not None else 6)

    def _restarts_exceed(self) -> bool:
        """Restarts in place are failures as well."""
        if (self.spec["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(pod.restarts for pod in self.pods if pod.status.get("phase") in ("Running", "Pending"))
        limit = self._limit()
        return restarts > 0 if limit == 0 else restarts >= limit

    def _deadline(self) -> datetime | None:
        seconds, started = self.spec.get("activeDeadlineSeconds"), self.before.get("startTime")
        if seconds is None or started is None or self.suspended:
            return None
        return meta.parse_time(started) + timedelta(seconds=seconds)

    def _success(self) -> _Verdict | None:
        if self.indexed and (why := success.met(self.spec.get("successPolicy"), self.completed, self.completions or 0)):
            return _Verdict(True, "SuccessPolicy", why)
        if self.completions is None:
            waiting = any(pod.is_active or pod.is_terminating for pod in self.pods)
            reached = self.succeeded > 0 and not waiting
        else:
            reached = self.succeeded >= self.completions
        return _Verdict(True, "CompletionsReached", "Reached expected number of succeeded pods") if reached else None

    # Pods

    def _end(self, pods: Sequence[Pod]) -> None:
        known = {pod.uid for pod in self.out.counted}
        self.out.delete += [pod for pod in pods if pod.uid not in known][:MOST_PODS]

    def _trim(self, active: Sequence[Pod]) -> list[Pod]:
        """Those that stay; the others are ended: useless indexes and doubles first, then the least advanced."""
        kept: list[Pod] = []
        taken: set[int] = set()
        for pod in sorted(active, key=_worth, reverse=True):
            useless = self.indexed and (
                not self._is_index(pod.index) or pod.index in self.completed | self.given_up | taken
            )
            if useless or len(kept) >= self._wanted(len(active)):
                self._end([pod])
            else:
                kept.append(pod)
                taken |= {pod.index} if pod.index is not None else set()
        return kept

    def _wanted(self, active: int) -> int:
        if self.completions is None:
            return min(active, self.parallelism) if self.succeeded else self.parallelism
        return max(0, min(self.completions - self.succeeded - len(self.given_up), self.parallelism))

    def _fill(self, kept: Sequence[Pod]) -> None:
        ending = [pod for pod in self.pods if pod.is_terminating]
        missing = self._wanted(len(kept)) - len(kept) - (len(ending) if self.only_failed else 0)
        if missing <= 0:
            return
        if self.per_index is None:
            at = backoff.until(self.pods, self.now)
            if at is not None:
                self.out.wake(at)
                return
        news = self._next_indexes(kept, ending) if self.indexed else [New()] * missing
        self.out.create = news[: min(missing, MOST_PODS)]

    def _next_indexes(self, kept: Sequence[Pod], ending: Sequence[Pod]) -> list[New]:
        taken = {pod.index for pod in kept} | ({pod.index for pod in ending} if self.only_failed else set())
        news = []
        for index in range(self.completions or 0):
            if index in self.completed or index in self.given_up or index in taken:
                continue
            new = self._replacement(index)
            if new is not None:
                news.append(new)
        return news

    def _replacement(self, index: int) -> New | None:
        """None while the index backs off."""
        if self.per_index is None:
            return New(index)
        earlier = [pod for pod in self.pods if pod.index == index and self._counts_as_failed(pod)]
        if not earlier:
            return New(index)
        last = max(earlier, key=_rank)
        ignored = self._judge(last).action == failures.IGNORE
        new = New(index, self._failures_with(last), last.count(IGNORED) + ignored)
        at = backoff.until_index(last, new.failures, self.now) if new.failures else None
        self.out.wake(at)
        return new if at is None else None

    # Status

    def _settle(self, verdict: _Verdict | None, kept: Sequence[Pod]) -> None:
        leaving = [pod for pod in self.out.delete if (pod.wire.get("spec") or {}).get("nodeName")]
        ending = sum(1 for pod in self.pods if pod.is_terminating) + len(leaving)
        still = ending or any(pod.is_active for pod in self.pods)
        wanted = [*self._suspension(), *self._outcome(verdict, over=not still)]
        merged = merge(self.before.get("conditions") or (), wanted, self.now, None)
        status: dict[str, Any] = {
            **self.before,
            "conditions": merged,
            "active": len(kept) + len(self.out.create),
            "ready": sum(1 for pod in kept if pod.is_ready),
            "terminating": ending,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "uncountedTerminatedPods": {},
        }
        self._settle_times(status)
        if self.indexed:
            status["completedIndexes"] = indexes.write(self.completed)
        if self.per_index is not None:
            status["failedIndexes"] = indexes.write(self.given_up)
        self.out.status = {name: value for name, value in status.items() if value not in (None, [])}
        if len(self.out.delete) >= MOST_PODS or len(self.out.create) >= MOST_PODS:
            self.out.wake(self.now)

    def _settle_times(self, status: dict[str, Any]) -> None:
        if self.suspended:
            status["startTime"] = None
        elif not self.before.get("startTime"):
            status["startTime"] = meta.format_time(self.now)
            seconds = self.spec.get("activeDeadlineSeconds")
            self.out.wake(None if seconds is None else self.now + timedelta(seconds=seconds))
        if any(each["type"] == "Complete" and each["status"] == "True" for each in status["conditions"]):
            status["completionTime"] = meta.format_time(self.now)

    def _suspension(self) -> list[Condition]:
        held = find(self.job, "Suspended").get("status") == "True"
        if self.suspended:
            if not held:
                self.out.events.append(Told("Normal", "Suspended", "Job suspended"))
            return [Condition("Suspended", "True", "JobSuspended", "Job suspended")]
        if held:
            self.out.events.append(Told("Normal", "Resumed", "Job resumed"))
            return [Condition("Suspended", "False", "JobResumed", "Job resumed")]
        return []

    def _outcome(self, verdict: _Verdict | None, *, over: bool) -> list[Condition]:
        """What it is going to be, and what it is once its last pod has ended."""
        if verdict is None:
            return []
        coming, final = ("SuccessCriteriaMet", "Complete") if verdict.succeeds else ("FailureTarget", "Failed")
        conditions = [Condition(coming, "True", verdict.reason, verdict.message)]
        if over:
            conditions.append(Condition(final, "True", verdict.reason, verdict.message))
            told = Told("Normal", "Completed", "Job completed") if verdict.succeeds else None
            self.out.events.append(told or Told("Warning", verdict.reason, verdict.message))
        return conditions


def _number(value: int | None, absent: int) -> int:
    return absent if value is None else value


def _rank(pod: Pod) -> tuple[int, str, str]:
    """Later pods of one index rank higher: they have more failures behind them."""
    return (pod.count(FAILURES) + pod.count(IGNORED), pod.created, pod.name)


def _worth(pod: Pod) -> tuple[bool, bool, bool, str]:
    """Whom to keep: placed, running, ready, and of equals the older (by name, ages being whole seconds)."""
    placed = bool((pod.wire.get("spec") or {}).get("nodeName"))
    age = "".join(chr(0x10FFFF - ord(letter)) for letter in pod.created)
    return (placed, pod.status.get("phase") == "Running", pod.is_ready, age)
