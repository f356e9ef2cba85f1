"""What a job decides: tables of its policies, and a world in which pods succeed, fail and are deleted at random.

In that world: never more active than wanted, every end counted exactly once, no index done twice, and it comes to rest.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers.jobs import failures, plan, success, template
from controlplane.controllers.jobs.plan import Decision, New
from controlplane.controllers.jobs.pods import FAILURES, FINALIZER, Pod
from controlplane.controllers.plan import find
from schema import indexes, meta
from schema.base import Wire
from schema.batch.job import INDEX
from schema.defaulting import job as defaulting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(**spec: Any) -> Wire:
    metadata = {"name": "j", "namespace": "default", "uid": "j", "resourceVersion": "1"}
    policy = spec.pop("restartPolicy", "Never")
    inner = {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": policy}
    made = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": {"spec": inner}, **spec},
    }
    defaulting.default(made)
    return made


class World:
    """Takes decisions as the store would."""

    def __init__(self, wire: Wire) -> None:
        self.job = wire
        self.pods: dict[str, Wire] = {}
        self.now = NOW
        self.serial = 0
        self.counted: list[str] = []

    def decide(self) -> Decision:
        return plan.decide(self.job, [Pod(pod) for pod in self.pods.values()], self.now)

    def step(self) -> Decision:
        decision = self.decide()
        self.job = {**self.job, "status": decision.status}
        self.counted += [pod.uid for pod in decision.counted]
        for pod in [*decision.counted, *decision.delete]:
            pod.wire["metadata"]["finalizers"] = []
        for pod in decision.delete:
            self.delete(pod.uid)
        for new in decision.create:
            self.make(new)
        for uid in [uid for uid, pod in self.pods.items() if self._is_gone(pod)]:
            del self.pods[uid]
        return decision

    def rest(self, passes: int = 10) -> None:
        for _ in range(passes):
            before = (self.job.get("status"), len(self.pods))
            decision = self.step()
            if (decision.status, len(self.pods)) == before and not decision.create and not decision.delete:
                return
        raise AssertionError("it does not come to rest")

    def make(self, new: New) -> Wire:
        self.serial += 1
        pod = template.pod(self.job, new)
        metadata = pod["metadata"]
        metadata |= {
            "uid": f"u{self.serial}",
            "name": f"p{self.serial:04}",
            "creationTimestamp": meta.format_time(self.now),
        }
        pod["spec"] = {**pod["spec"], "nodeName": "a"}
        pod["status"] = {"phase": "Running"}
        self.pods[metadata["uid"]] = pod
        return pod

    def end(self, uid: str, phase: str, *, code: int = 1, **status: Any) -> None:
        code = 0 if phase == "Succeeded" else code
        ended = {"exitCode": code, "finishedAt": meta.format_time(self.now)}
        statuses = [{"name": "main", "state": {"terminated": ended}}]
        self.pods[uid]["status"] = {"phase": phase, "containerStatuses": statuses, **status}

    def delete(self, uid: str) -> None:
        metadata = self.pods[uid]["metadata"]
        metadata.setdefault("deletionTimestamp", meta.format_time(self.now))
        metadata.setdefault("deletionGracePeriodSeconds", 30)

    def finish(self, uid: str) -> None:
        """The agent is done with a deleted pod."""
        self.pods[uid]["metadata"]["deletionGracePeriodSeconds"] = 0

    @staticmethod
    def _is_gone(pod: Wire) -> bool:
        metadata = pod["metadata"]
        return metadata.get("deletionGracePeriodSeconds") == 0 and not metadata["finalizers"]

    def active(self) -> list[Pod]:
        return [pod for each in self.pods.values() if (pod := Pod(each)).is_active]

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def status(self) -> Wire:
        return dict(self.job["status"])

    def state(self, name: str) -> str:
        return str(find(self.job, name).get("status") or "")

    def reason(self, name: str) -> str:
        return str(find(self.job, name).get("reason") or "")


def started(**spec: Any) -> World:
    world = World(job(**spec))
    world.step()
    return world


def uids(world: World) -> list[str]:
    return [pod.uid for pod in world.active()]


def test_one_pod_runs_and_the_job_is_complete() -> None:
    world = started()
    assert (len(world.active()), world.status["active"], world.status["startTime"]) == (1, 1, meta.format_time(NOW))
    world.end(uids(world)[0], "Succeeded")
    world.rest()
    assert (world.state("Complete"), world.reason("Complete")) == ("True", "CompletionsReached")
    assert world.state("SuccessCriteriaMet") == "True"
    assert (world.status["succeeded"], world.status["active"], "completionTime" in world.status) == (1, 0, True)


def test_a_queue_is_done_when_one_has_succeeded_and_the_others_have_ended() -> None:
    world = started(parallelism=3)
    first, second, third = uids(world)
    world.end(first, "Succeeded")
    world.rest()
    assert (len(world.active()), world.state("Complete")) == (2, "")
    world.end(second, "Failed")
    world.later(3600)
    world.rest()
    assert len(world.active()) == 1, "no new ones"
    world.end(third, "Succeeded")
    world.rest()
    assert (world.state("Complete"), world.status["succeeded"], world.status["failed"]) == ("True", 2, 1)


def test_failures_back_off_and_the_limit_ends_it() -> None:
    world = started(backoffLimit=2)
    for seconds in (10, 20):
        world.end(uids(world)[0], "Failed")
        decision = world.step()
        assert decision.again == world.now + timedelta(seconds=seconds)
        assert world.active() == []
        world.later(seconds)
        world.step()
        assert len(world.active()) == 1
    world.end(uids(world)[0], "Failed")
    world.rest()
    assert (world.state("Failed"), world.reason("Failed"), world.status["failed"]) == (
        "True",
        "BackoffLimitExceeded",
        3,
    )


def test_restarts_in_place_are_failures_too() -> None:
    world = started(backoffLimit=2, restartPolicy="OnFailure")
    uid = uids(world)[0]
    world.pods[uid]["status"]["containerStatuses"] = [{"name": "main", "restartCount": 2}]
    world.step()
    assert world.reason("FailureTarget") == "BackoffLimitExceeded"
    assert world.state("Failed") == "", "its pod has not ended"
    world.end(uid, "Failed")
    world.finish(uid)
    world.rest()
    assert world.state("Failed") == "True"


def test_the_deadline_ends_what_runs() -> None:
    world = started(activeDeadlineSeconds=60)
    decision = world.decide()
    assert decision.again == NOW + timedelta(seconds=60)
    world.later(60)
    world.step()
    assert (world.reason("FailureTarget"), world.active()) == ("DeadlineExceeded", [])
    assert world.state("Failed") == ""
    world.finish(next(iter(world.pods)))
    world.step()
    world.rest()
    assert (world.reason("Failed"), world.status["failed"]) == ("DeadlineExceeded", 0), "ended on purpose is not failed"


def test_a_suspended_job_runs_nothing_and_begins_anew() -> None:
    world = started(parallelism=2, completions=4, suspend=True)
    assert (world.active(), world.state("Suspended"), "startTime" in world.status) == ([], "True", False)
    world.job["spec"]["suspend"] = False
    world.later(5)
    decision = world.step()
    assert (len(world.active()), world.state("Suspended")) == (2, "False")
    assert world.status["startTime"] == meta.format_time(world.now)
    assert [each.reason for each in decision.events] == ["Resumed"]
    world.job["spec"]["suspend"] = True
    world.step()
    assert (world.active(), "startTime" in world.status, world.status["failed"]) == ([], False, 0)
    for uid in list(world.pods):
        world.end(uid, "Failed")
        world.finish(uid)
    world.rest()
    assert world.status["failed"] == 0


def test_less_parallelism_ends_the_least_advanced() -> None:
    world = started(parallelism=3, completions=9)
    first, second, third = uids(world)
    world.pods[first]["status"] = {"phase": "Pending"}
    world.pods[second]["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    world.job["spec"]["parallelism"] = 1
    world.step()
    assert uids(world) == [second]
    assert world.status["failed"] == 0
    assert {first, third} <= set(world.pods)


def test_a_deleted_pod_counts_as_failed_and_is_replaced_at_once() -> None:
    world = started(podReplacementPolicy="TerminatingOrFailed")
    (uid,) = uids(world)
    world.delete(uid)
    world.step()
    assert (world.status["failed"], world.status["terminating"], len(world.active())) == (1, 1, 1)


def test_with_failed_only_it_is_replaced_when_it_has_ended() -> None:
    world = started(podReplacementPolicy="Failed")
    (uid,) = uids(world)
    world.delete(uid)
    world.step()
    assert (world.status["failed"], world.status["terminating"], len(world.active())) == (0, 1, 0)
    world.end(uid, "Failed")
    world.later(10)
    world.step()
    assert (world.status["failed"], len(world.active())) == (1, 1)


def test_each_index_must_succeed_once() -> None:
    world = started(completions=3, parallelism=2, completionMode="Indexed")
    assert [pod.index for pod in world.active()] == [0, 1]
    pod = world.active()[0].wire
    assert (pod["spec"]["hostname"], pod["metadata"]["labels"][INDEX]) == ("j-0", "0")
    assert pod["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    zero, one = uids(world)
    world.end(one, "Succeeded")
    world.step()
    assert (world.status["completedIndexes"], [pod.index for pod in world.active()]) == ("1", [0, 2])
    double = world.make(New(1))
    world.step()
    assert double["metadata"]["deletionTimestamp"]
    for uid in (zero, uids(world)[-1]):
        world.end(uid, "Succeeded")
    world.finish(double["metadata"]["uid"])
    world.rest()
    assert (world.status["completedIndexes"], world.status["succeeded"], world.state("Complete")) == ("0-2", 3, "True")


def test_each_index_has_its_own_limit() -> None:
    world = started(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
    zero, one = uids(world)
    world.end(zero, "Failed")
    world.end(one, "Succeeded")
    decision = world.step()
    assert decision.again == world.now + timedelta(seconds=10)
    assert (world.status["completedIndexes"], world.status.get("failedIndexes")) == ("1", "")
    world.later(10)
    world.step()
    (again,) = world.active()
    assert (again.index, again.count(FAILURES)) == (0, 1)
    world.rest()
    assert world.status["failed"] == 1
    world.end(again.uid, "Failed")
    world.rest()
    assert (world.status["failedIndexes"], world.reason("Failed"), world.status["failed"]) == ("0", "FailedIndexes", 2)


def test_too_many_indexes_given_up_end_it() -> None:
    world = started(completions=4, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=0, maxFailedIndexes=1)
    for uid in uids(world):
        world.end(uid, "Failed")
    world.rest()
    assert world.reason("FailureTarget") == "MaxFailedIndexesExceeded"


RULES = [
    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}},
]


def test_a_failure_policy_ends_the_job_at_once() -> None:
    world = started(podFailurePolicy={"rules": RULES[:2]})
    (uid,) = uids(world)
    world.end(uid, "Failed", code=42)
    world.rest()
    assert (world.reason("Failed"), find(world.job, "Failed")["message"]) == (
        "PodFailurePolicy",
        "Container main for pod default/p0001 failed with exit code 42 matching FailJob rule at index 0",
    )


def test_an_ignored_failure_is_replaced_and_not_counted() -> None:
    world = started(podFailurePolicy={"rules": RULES[:2]}, backoffLimit=0)
    (uid,) = uids(world)
    world.end(uid, "Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}])
    world.step()
    world.later(10)
    world.rest()
    assert (world.status["failed"], len(world.active()), world.state("FailureTarget")) == (0, 1, "")


def test_a_policy_gives_up_an_index() -> None:
    world = started(
        completions=2,
        parallelism=2,
        completionMode="Indexed",
        backoffLimitPerIndex=9,
        podFailurePolicy={"rules": RULES},
    )
    zero, one = uids(world)
    world.end(zero, "Failed", code=3)
    world.end(one, "Succeeded")
    world.rest()
    assert (world.status["failedIndexes"], world.reason("Failed")) == ("0", "FailedIndexes")


@pytest.mark.parametrize(
    ("codes", "code", "action"),
    [
        ({"operator": "In", "values": [1, 2]}, 2, "FailJob"),
        ({"operator": "In", "values": [1, 2]}, 3, "Count"),
        ({"operator": "NotIn", "values": [1, 2]}, 3, "FailJob"),
        ({"operator": "NotIn", "values": [1, 2]}, 0, "Count"),
        ({"operator": "In", "values": [1], "containerName": "main"}, 1, "FailJob"),
        ({"operator": "In", "values": [1], "containerName": "other"}, 1, "Count"),
    ],
)
def test_exit_codes_by_table(codes: Wire, code: int, action: str) -> None:
    status = {"containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": code}}}]}
    pod = Pod({"metadata": {"name": "p", "uid": "p"}, "status": {"phase": "Failed", **status}})
    assert failures.judge({"rules": [{"action": "FailJob", "onExitCodes": codes}]}, pod).action == action


@pytest.mark.parametrize(
    ("rule", "completed", "met"),
    [
        ({"succeededCount": 2}, {0}, False),
        ({"succeededCount": 2}, {0, 4}, True),
        ({"succeededIndexes": "0,2-3"}, {0, 2}, False),
        ({"succeededIndexes": "0,2-3"}, {0, 2, 3}, True),
        ({"succeededIndexes": "0-3", "succeededCount": 1}, {4}, False),
        ({"succeededIndexes": "0-3", "succeededCount": 1}, {3}, True),
    ],
)
def test_success_by_table(rule: Wire, completed: set[int], met: bool) -> None:
    assert bool(success.met({"rules": [rule]}, completed, 5)) is met


def test_what_suffices_ends_the_rest() -> None:
    policy = {"rules": [{"succeededIndexes": "0"}]}
    world = started(completions=3, parallelism=3, completionMode="Indexed", successPolicy=policy)
    zero, one, two = uids(world)
    world.end(zero, "Succeeded")
    world.step()
    assert (world.reason("SuccessCriteriaMet"), world.active(), world.state("Complete")) == ("SuccessPolicy", [], "")
    for uid in (one, two):
        world.finish(uid)
    world.step()
    world.rest()
    assert (world.state("Complete"), world.reason("Complete"), world.status["succeeded"]) == (
        "True",
        "SuccessPolicy",
        1,
    )


def test_a_finished_job_goes_when_its_time_is_over() -> None:
    world = started(ttlSecondsAfterFinished=60)
    world.end(uids(world)[0], "Succeeded")
    world.rest()
    assert (world.decide().again, world.decide().remove) == (NOW + timedelta(seconds=60), False)
    world.later(60)
    assert world.decide().remove


@pytest.mark.parametrize("text", ["", "0", "1,3-5,7", "0-2,4,5"])
def test_indexes_are_written_as_they_are_read(text: str) -> None:
    assert indexes.write(indexes.read(text)) == text


@given(st.sets(st.integers(0, 60)))
def test_any_set_of_indexes_survives(found: set[int]) -> None:
    assert indexes.read(indexes.write(found)) == found


specs = st.fixed_dictionaries(
    {
        "completions": st.integers(1, 6),
        "parallelism": st.integers(1, 4),
        "completionMode": st.sampled_from(["Indexed", "NonIndexed"]),
        "backoffLimit": st.sampled_from([0, 3, 1000]),
        "podReplacementPolicy": st.sampled_from(["Failed", "TerminatingOrFailed"]),
    }
)


@settings(max_examples=150, deadline=None)
@given(specs, st.booleans(), st.integers(0, 10**9))
def test_nothing_is_counted_twice_or_lost_and_it_comes_to_rest(spec: dict[str, Any], limited: bool, seed: int) -> None:
    if spec["completionMode"] == "Indexed" and limited:
        spec["backoffLimitPerIndex"] = 2
        del spec["backoffLimit"]
    chance = random.Random(seed)
    world = World(job(**spec))
    for _ in range(60):
        world.step()
        assert len(world.active()) <= spec["parallelism"]
        held = [pod.index for pod in world.active()]
        assert spec["completionMode"] == "NonIndexed" or len(held) == len(set(held))
        _disturb(world, chance)
        world.later(chance.choice([0, 0, 5, 700]))
    for _ in range(300):
        if plan.is_finished(world.job):
            break
        for uid in uids(world):
            world.end(uid, "Succeeded")
        for uid in [uid for uid, pod in world.pods.items() if Pod(pod).is_terminating]:
            world.end(uid, "Failed")
            world.finish(uid)
        world.later(700)
        world.step()
    assert plan.is_finished(world.job), world.job["status"]
    world.rest()
    assert len(world.counted) == len(set(world.counted))
    counted = (world.status["succeeded"] if spec["completionMode"] == "NonIndexed" else 0) + world.status["failed"]
    assert spec["completionMode"] == "Indexed" or counted == len(world.counted)
    assert not any(FINALIZER in pod["metadata"]["finalizers"] for pod in world.pods.values())
    if world.state("Complete") == "True":
        assert world.status["succeeded"] == spec["completions"]
    decision = world.decide()
    assert (decision.status, decision.create, decision.delete, decision.counted) == (world.status, [], [], [])


def _disturb(world: World, chance: random.Random) -> None:
    for uid in list(world.pods):
        pod = Pod(world.pods[uid])
        what = chance.random()
        if pod.is_terminating and what < 0.5:
            world.end(uid, chance.choice(["Failed", "Succeeded"]) if pod.is_tracked else "Failed")
            world.finish(uid)
        elif pod.is_active and what < 0.15:
            world.end(uid, "Failed")
        elif pod.is_active and what < 0.25:
            world.end(uid, "Succeeded")
        elif pod.is_active and what < 0.32:
            world.delete(uid)
