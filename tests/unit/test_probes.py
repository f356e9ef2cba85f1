"""When a container is probed and what the answers mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.pods import lifecycle, probes, status, transitions
from nodeagent.pods.lifecycle import Kill, Signal, Start, Term
from nodeagent.pods.probes import Kind, Tally
from nodeagent.pods.state import PodState
from schema.base import Wire
from schema.core.pod import Pod
from schema.core.probe import Probe

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHECK = {"exec": {"command": ["check"]}}


def probe(**fields: Any) -> Probe:
    return Probe.parse({**CHECK, **fields})


def pod(*containers: Wire, inits: tuple[Wire, ...] = (), **spec: Any) -> Pod:
    whole = {"containers": list(containers), "initContainers": list(inits), **spec}
    return Pod.parse({"metadata": {"name": "shop", "namespace": "default", "uid": "u1"}, "spec": whole})


def web(**more: Any) -> Wire:
    return {"name": "web", "image": "i", **more}


def running(pod_: Pod, *names: str) -> PodState:
    state = transitions.set_up(PodState(started_at=NOW), ["10.0.0.2"])
    for name in transitions.names(pod_):
        state = transitions.image_found(state, name)
    for name in names or transitions.names(pod_):
        state = run(pod_, state, name)
    return state


def run(pod_: Pod, state: PodState, name: str) -> PodState:
    attempt = state.container(name).attempt
    state = transitions.creating(
        state, name, container_id=f"u1-{name}-{attempt}", image="i", image_id="", stop_signal=""
    )
    spec = next(c for c in [*pod_.spec.init_containers, *pod_.spec.containers] if c.name == name)
    return transitions.running(state, name, NOW, spec)


def actions(pod_: Pod, state: PodState, now: datetime = NOW) -> tuple[lifecycle.Action, ...]:
    return lifecycle.decide(pod_, state, now).actions


# Counting


@pytest.mark.parametrize(
    ("kind", "answers", "expected"),
    [
        # success and failure thresholds, in a row
        (Kind.LIVENESS, "xx", None),
        (Kind.LIVENESS, "xxx", False),
        (Kind.LIVENESS, "xx.xx", None),
        (Kind.LIVENESS, "xx.xxx", False),
        (Kind.READINESS, ".", None),
        (Kind.READINESS, "..", True),
        (Kind.READINESS, ".x.", None),
        # with a period of ten seconds five early looks do not count, then three failures do
        (Kind.READINESS, "xxxxx", None),
        (Kind.READINESS, "xxxxxxx", None),
        (Kind.READINESS, "xxxxxxxx", False),
        (Kind.STARTUP, "xxxxxxxx", False),
        # after a first success there are no early looks
        (Kind.READINESS, "..xxx", False),
    ],
)
def test_answers_count_in_a_row(kind, answers, expected):
    definition = probe(periodSeconds=10, failureThreshold=3, successThreshold=2 if kind is Kind.READINESS else 1)
    tally = Tally()
    for answer in answers:
        tally = probes.counted(definition, kind, tally, success=answer == ".")
    assert probes.verdict(definition, tally) is expected


@given(
    st.lists(st.booleans(), max_size=60),
    st.integers(1, 60),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from(Kind),
)
def test_whatever_comes_a_verdict_needs_its_threshold_and_early_looks_fit_into_one_period(
    answers, period, successes, failures, kind
):
    definition = probe(periodSeconds=period, successThreshold=successes, failureThreshold=failures)
    tally, early = Tally(), 0.0
    for position, answer in enumerate(answers):
        tally = probes.counted(definition, kind, tally, success=answer)
        wait = probes.next_in(definition, tally)
        assert 0 < wait <= period
        early += wait if tally.looks else 0.0
        said = probes.verdict(definition, tally)
        if said is not None:
            needed = successes if said else failures
            assert answers[position + 1 - needed : position + 1] == [said] * needed
    assert early < period


@pytest.mark.parametrize(
    ("fields", "kind", "after", "chance", "expected"),
    [
        ({}, Kind.READINESS, 0, 0.5, 0),
        ({"initialDelaySeconds": 5}, Kind.READINESS, 0, 0.5, 5),
        ({"initialDelaySeconds": 5}, Kind.STARTUP, 2, 0.5, 5),
        ({"initialDelaySeconds": 5, "periodSeconds": 10}, Kind.LIVENESS, 0, 0.5, 5.5),
        ({"periodSeconds": 2}, Kind.LIVENESS, 0, 0.5, 0.1),
        # an agent that takes a running container over spreads its probes over a period
        ({"periodSeconds": 10}, Kind.READINESS, 60, 0.5, 65),
        ({"periodSeconds": 10}, Kind.LIVENESS, 60, 0.9, 69),
    ],
)
def test_when_the_first_probe_is_due(fields, kind, after, chance, expected):
    due = probes.first_due(probe(**fields), kind, NOW, NOW + timedelta(seconds=after), chance)
    assert (due - NOW).total_seconds() == pytest.approx(expected)


# Who is probed


def kinds_of(pod_: Pod, state: PodState) -> set[str]:
    return {f"{target.container}/{target.kind}" for target in probes.wanted(pod_, state)}


ALL = {"livenessProbe": CHECK, "readinessProbe": CHECK, "startupProbe": CHECK}


def test_the_startup_probe_gates_the_others():
    pod_ = pod(web(**ALL))
    state = running(pod_)
    assert kinds_of(pod_, state) == {"web/startup"}
    state = transitions.startup_passed(state, "web", "u1-web-0")
    assert kinds_of(pod_, state) == {"web/liveness", "web/readiness"}


def test_nothing_is_probed_before_post_start_is_through():
    pod_ = pod(web(**ALL, lifecycle={"postStart": {"sleep": {"seconds": 1}}}))
    state = running(pod_)
    assert kinds_of(pod_, state) == set()
    assert kinds_of(pod_, transitions.post_started(state, "web", "u1-web-0")) == {"web/startup"}


def test_a_pod_that_ends_is_only_asked_whether_it_is_ready():
    pod_ = pod(web(livenessProbe=CHECK, readinessProbe=CHECK))
    state = transitions.stop(running(pod_), grace_seconds=30, now=NOW)
    assert kinds_of(pod_, state) == {"web/readiness"}


def test_what_was_learnt_of_an_earlier_attempt_means_nothing():
    pod_ = pod(web(readinessProbe=CHECK, startupProbe=CHECK))
    state = running(pod_)
    for told in (
        transitions.startup_passed(state, "web", "u1-web-7"),
        transitions.probed_ready(state, "web", "u1-web-7", ready=True),
        transitions.failed(state, "web", "u1-web-7", "why"),
        transitions.post_started(state, "web", "u1-web-7"),
    ):
        assert told == state


# Readiness


def ready(pod_: Pod, state: PodState) -> bool:
    wire, _ = status.build(pod_, state, status.Host(), NOW)
    told = {each["type"]: each["status"] == "True" for each in wire["conditions"]}
    assert wire["containerStatuses"][0]["ready"] == told["ContainersReady"]
    return bool(told["Ready"])


def test_a_container_with_a_readiness_probe_is_not_ready_until_it_says_so():
    pod_ = pod(web(readinessProbe=CHECK))
    state = running(pod_)
    assert not ready(pod_, state)
    state = transitions.probed_ready(state, "web", "u1-web-0", ready=True)
    assert ready(pod_, state)
    assert not ready(pod_, transitions.probed_ready(state, "web", "u1-web-0", ready=False))


def test_without_a_readiness_probe_it_is_ready_once_it_has_started():
    pod_ = pod(web(startupProbe=CHECK))
    state = running(pod_)
    assert not ready(pod_, state)
    assert ready(pod_, transitions.startup_passed(state, "web", "u1-web-0"))


def test_a_pod_that_is_being_deleted_serves_while_it_can_and_one_that_is_restarted_does_not():
    pod_ = pod(web())
    state = running(pod_)
    deleted = transitions.signalled(transitions.stop(state, grace_seconds=30, now=NOW), "web", NOW)
    assert ready(pod_, deleted)  # its deletionTimestamp takes it out of services
    assert not ready(pod_, transitions.signalled(state, "web", NOW))
    assert not ready(pod_, transitions.failed(state, "web", "u1-web-0", "why"))


def test_an_adopted_container_stays_as_ready_as_it_was():
    pod_ = pod(web(readinessProbe=CHECK, startupProbe=CHECK))
    state = transitions.startup_passed(running(pod_), "web", "u1-web-0")
    state = transitions.probed_ready(state, "web", "u1-web-0", ready=True)
    adopted = transitions.adopted(pod_, state, "web", container_id="u1-web-0", started_at=NOW)
    assert ready(pod_, adopted)
    # and without a checkpoint, from what the control plane still knows
    wire, _ = status.build(pod_, state, status.Host(), NOW)
    told = Pod.parse({**pod_.wire(), "status": wire})
    accepted = transitions.adopted(
        told, transitions.accepted(told, NOW), "web", container_id="u1-web-0", started_at=NOW
    )
    assert ready(told, accepted)
    assert kinds_of(told, accepted) == {"web/readiness"}


# Failure


@pytest.mark.parametrize(
    ("policy", "code", "again", "phase"),
    [
        ("Always", 0, True, ""),
        ("OnFailure", 0, True, ""),  # we have ended it, so that it ended well says nothing
        ("OnFailure", 143, True, ""),
        ("Never", 143, False, "Failed"),
        ("Never", 0, False, "Succeeded"),
    ],
)
def test_a_failed_probe_ends_the_container_which_runs_again_unless_the_pod_says_never(policy, code, again, phase):
    pod_ = pod(web(livenessProbe=CHECK), restartPolicy=policy, terminationGracePeriodSeconds=20)
    state = transitions.failed(running(pod_), "web", "u1-web-0", "Container web failed liveness probe")
    [signal] = actions(pod_, state)
    suffix = ", will be restarted" if policy != "Never" else ""
    why = f"Container web failed liveness probe{suffix}"
    assert signal == Signal("web", NOW + timedelta(seconds=20), why)
    state = transitions.signalled(state, "web", NOW)
    state = transitions.exited(state, "web", exit_code=code, reason="Error", message="", at=NOW)
    assert lifecycle.comes_again(pod_, state, "web") is again
    assert lifecycle.main_result(pod_, state) == phase
    if again:
        restarted = transitions.again(transitions.removed(state, "web"), "web").container("web")
        assert (restarted.failed, restarted.ready, restarted.attempt) == ("", False, 1)


def test_a_probe_may_bring_a_grace_period_of_its_own():
    pod_ = pod(web(livenessProbe=CHECK), terminationGracePeriodSeconds=600)
    state = transitions.failed(running(pod_), "web", "u1-web-0", "why", grace_seconds=3)
    [signal] = actions(pod_, state)
    assert isinstance(signal, Signal)
    assert signal.deadline == NOW + timedelta(seconds=3)


# Hooks


HOOK = {"exec": {"command": ["hook"]}}


def test_those_behind_a_container_with_a_post_start_hook_wait_for_it():
    pod_ = pod(web(lifecycle={"postStart": HOOK}), web(name="b"))
    state = transitions.set_up(PodState(started_at=NOW), [])
    for name in ("web", "b"):
        state = transitions.image_found(state, name)
    assert actions(pod_, state) == (Start(("web",)),)
    state = run(pod_, state, "web")
    assert actions(pod_, state) == ()
    state = transitions.post_started(state, "web", "u1-web-0")
    assert actions(pod_, state) == (Start(("b",)),)


def test_a_sidecar_lets_the_others_start_when_its_startup_probe_has_passed():
    side = web(name="side", restartPolicy="Always", startupProbe=CHECK)
    pod_ = pod(web(), inits=(side,))
    state = transitions.image_found(running(pod_, "side"), "web")
    assert actions(pod_, state) == ()
    state = transitions.startup_passed(state, "side", "u1-side-0")
    assert actions(pod_, state) == (Start(("web",)),)
    # and when it crashes later the pod stays initialised
    state = run(pod_, state, "web")
    state = transitions.exited(state, "side", exit_code=1, reason="Error", message="", at=NOW)
    state = run(pod_, transitions.again(transitions.removed(state, "side"), "side"), "side")
    assert state.container("side").startup_pending
    assert lifecycle.initialized(pod_, state)


def stopping(pod_: Pod, grace: float) -> PodState:
    return transitions.stop(running(pod_), grace_seconds=grace, now=NOW)


def test_the_stop_signal_follows_the_pre_stop_hook_within_the_grace():
    pod_ = pod(web(lifecycle={"preStop": HOOK}))
    state = stopping(pod_, 30)
    deadline = NOW + timedelta(seconds=30)
    assert actions(pod_, state) == (Signal("web", deadline),)
    state = transitions.signalled(state, "web", deadline, pre_stop=True)
    decision = lifecycle.decide(pod_, state, NOW)
    assert (decision.actions, decision.wake_at) == ((), deadline)
    early = NOW + timedelta(seconds=5)
    done = transitions.pre_stopped(state, "web", "u1-web-0")
    assert actions(pod_, done, early) == (Term("web", deadline),)
    # a hook that uses up everything leaves the container the minimum
    assert actions(pod_, state, deadline) == (Term("web", deadline + lifecycle.MINIMUM_GRACE),)
    late = transitions.terminated(state, "web", deadline + lifecycle.MINIMUM_GRACE)
    decision = lifecycle.decide(pod_, late, deadline)
    assert (decision.actions, decision.wake_at) == ((), deadline + lifecycle.MINIMUM_GRACE)
    assert actions(pod_, late, deadline + lifecycle.MINIMUM_GRACE) == (Kill("web"),)


def test_a_forced_deletion_does_not_wait_for_the_pre_stop_hook():
    pod_ = pod(web(lifecycle={"preStop": HOOK}))
    state = transitions.signalled(stopping(pod_, 30), "web", NOW + timedelta(seconds=30), pre_stop=True)
    state = transitions.stop(state, grace_seconds=0, now=NOW)
    assert actions(pod_, state) == (Signal("web", NOW),)
    assert actions(pod_, transitions.signalled(state, "web", NOW)) == (Kill("web"),)


def test_sidecars_end_last_one_after_another_each_with_a_minimum_of_time():
    sides = tuple(web(name=name, restartPolicy="Always") for name in ("one", "two"))
    pod_ = pod(web(), inits=sides)
    state = stopping(pod_, 10)
    assert actions(pod_, state) == (Signal("web", NOW + timedelta(seconds=10)),)
    late = NOW + timedelta(seconds=11)
    state = transitions.exited(state, "web", exit_code=137, reason="Error", message="", at=late)
    asked = NOW + timedelta(seconds=10)
    minimum = late + lifecycle.MINIMUM_GRACE
    assert actions(pod_, state, late) == (Signal("two", minimum, asked=asked),)
    state = transitions.signalled(state, "two", minimum, asked=asked)
    decision = lifecycle.decide(pod_, state, late)
    assert (decision.actions, decision.wake_at) == ((), minimum)
    assert actions(pod_, state, minimum) == (Kill("two"),)
    ended = transitions.exited(state, "two", exit_code=0, reason="Completed", message="", at=late)
    [last] = actions(pod_, ended, late)
    assert isinstance(last, Signal)
    assert last.name == "one"


def test_an_old_checkpoint_says_nothing_of_probes_and_its_containers_count_as_started():
    pod_ = pod(web(startupProbe=CHECK))
    state = running(pod_)
    known = replace(state.container("web"), startup_pending=False)
    assert kinds_of(pod_, replace(state, containers={"web": known})) == set()
