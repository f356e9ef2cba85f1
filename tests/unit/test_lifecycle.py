"""The pod's state machine: what it decides in named situations, and what holds whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeagent.pods import lifecycle, restart, status, transitions
from nodeagent.pods.lifecycle import FetchImage, SetUp, Start
from nodeagent.pods.state import Phase, PodState, Retry
from nodeagent.pods.status import Host
from schema.base import Wire
from schema.core.pod import Pod

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(
    *, inits: tuple[str, ...] = (), sidecars: tuple[str, ...] = (), mains: tuple[str, ...] = ("web",), **spec: Any
) -> Pod:
    init_containers = [{"name": name, "image": "i", "restartPolicy": "Always"} for name in sidecars]
    init_containers += [{"name": name, "image": "i"} for name in inits]
    containers = [{"name": name, "image": "i"} for name in mains]
    metadata = {"name": "shop", "namespace": "default", "uid": "u1"}
    whole = {"containers": containers, "initContainers": init_containers} | spec
    return Pod.parse({"metadata": metadata, "spec": whole})


def started(pod_: Pod, *names: str) -> PodState:
    state = transitions.set_up(PodState(started_at=NOW), ["10.0.0.2"])
    for name in transitions.names(pod_):
        state = transitions.image_found(state, name)
    for name in names:
        state = run(state, name)
    return state


def run(state: PodState, name: str) -> PodState:
    number = state.container(name).attempt
    state = transitions.creating(
        state, name, container_id=f"u1-{name}-{number}", image="i", image_id="i@sha256:0", stop_signal="SIGTERM"
    )
    return transitions.running(state, name, NOW)


def end(state: PodState, name: str, code: int = 0, at: datetime = NOW) -> PodState:
    reason = restart.exit_reason(code, oom_killed=False)
    return transitions.exited(state, name, exit_code=code, reason=reason, message="", at=at)


def actions(pod_: Pod, state: PodState, now: datetime = NOW) -> tuple[lifecycle.Action, ...]:
    return lifecycle.decide(pod_, state, now).actions


def shown(pod_: Pod, state: PodState, now: datetime = NOW) -> Wire:
    return status.build(pod_, state, Host(["192.0.2.1"]), now)[0]


def test_it_begins_with_everything_that_needs_nothing_else():
    two = pod(inits=("init",), mains=("web",))
    assert actions(two, PodState(started_at=NOW)) == (SetUp(), FetchImage("init"), FetchImage("web"))


def test_init_containers_go_one_by_one():
    two = pod(inits=("one", "two"))
    assert actions(two, started(two)) == (Start(("one",)),)
    ended = transitions.removed(end(started(two, "one"), "one"), "one")
    assert actions(two, ended) == (Start(("two",)),)


def test_main_containers_start_together():
    two = pod(mains=("a", "b"))
    assert actions(two, started(two)) == (Start(("a", "b")),)


def test_one_container_does_not_wait_for_the_image_of_another():
    two = pod(mains=("a", "b"))
    state = transitions.pulling(transitions.set_up(PodState(started_at=NOW), []), "b")
    assert actions(two, transitions.image_found(state, "a")) == (Start(("a",)),)


def test_a_failed_look_for_an_image_waits_for_its_time():
    one = pod()
    state = transitions.set_up(PodState(started_at=NOW), [])
    state = transitions.container_problem(state, "web", Retry.IMAGE, reason="ErrImagePull", message="m", now=NOW)
    decision = lifecycle.decide(one, state, NOW)
    assert decision == lifecycle.Decision((), NOW + timedelta(seconds=10))
    assert actions(one, state, NOW + timedelta(seconds=10)) == (FetchImage("web"),)


def test_back_off_of_images_grows_and_ends_at_five_minutes():
    state = PodState()
    waits = []
    for _ in range(8):
        state = transitions.container_problem(state, "web", Retry.IMAGE, reason="r", message="m", now=NOW)
        problem = state.container("web").problem
        assert problem is not None
        waits.append((problem.retry_at - NOW).total_seconds())
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), ""),
        ("Always", (0, 0), ""),
    ],
)
def test_the_pod_ends_when_all_its_containers_have_for_good(policy, codes, phase):
    two = pod(mains=("a", "b"), restartPolicy=policy)
    state = end(end(started(two, "a", "b"), "a", codes[0]), "b", codes[1])
    assert lifecycle.main_result(two, state) == phase


def test_one_running_container_keeps_the_pod_running():
    two = pod(mains=("a", "b"), restartPolicy="Never")
    state = end(started(two, "a", "b"), "a", 1)
    assert lifecycle.main_result(two, state) == ""
    assert shown(two, state)["phase"] == "Running"


def test_an_old_end_does_not_end_a_newer_attempt():
    state = end(run(PodState(), "web"), "web", 1)
    again = run(transitions.again(state, "web"), "web")
    assert again.container("web").attempt == 1
    assert transitions.again(again, "web") == again


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (None, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_the_class_of_service_is_shown(resources, expected):
    one = Pod.parse({"metadata": {"uid": "u1"}, "spec": {"containers": [{"name": "web", "resources": resources}]}})
    assert shown(one, PodState())["qosClass"] == expected


def test_conditions_name_who_is_not_ready_and_since_when():
    two = pod(inits=("init",), mains=("a", "b"))
    wire, state = status.build(two, started(two), Host(), NOW)
    found = {condition["type"]: condition for condition in wire["conditions"]}
    assert found["Initialized"]["message"] == "containers with incomplete status: [init]"
    assert found["ContainersReady"]["message"] == "containers with unready status: [a b]"
    later = NOW + timedelta(seconds=30)
    state = run(run(end(run(state, "init"), "init"), "a"), "b")
    wire, _ = status.build(two, state, Host(), later)
    found = {condition["type"]: condition for condition in wire["conditions"]}
    assert found["Ready"]["status"] == "True"
    assert found["Ready"]["lastTransitionTime"] == "2026-01-01T00:00:30Z"
    assert found["PodReadyToStartContainers"]["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_conditions_of_others_are_carried_along():
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    gate = {"type": "example.com/gate", "status": "False"}
    one = pod().wire() | {"status": {"conditions": [scheduled, gate]}}
    kinds = [condition["type"] for condition in shown(Pod.parse(one), PodState())["conditions"]]
    assert kinds[:2] == ["PodScheduled", "example.com/gate"]
    assert len(kinds) == 6


# Whatever happens


@dataclass
class Simulation:
    """Performs every action perfectly and at once, and lets the world happen between."""

    pod: Pod
    state: PodState = field(default_factory=lambda: PodState(started_at=NOW))
    now: datetime = NOW
    starts: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)

    def settle(self) -> None:
        for _ in range(200):
            wire, self.state = status.build(self.pod, self.state, Host(), self.now)
            self.phases.append(wire["phase"])
            self.check(wire)
            decided = actions(self.pod, self.state, self.now)
            if not decided:
                return
            for action in decided:
                self.perform(action)
        raise AssertionError(f"it never comes to rest: {decided}")

    def perform(self, action: lifecycle.Action) -> None:
        match action:
            case lifecycle.SetUp():
                self.state = transitions.set_up(self.state, ["10.0.0.2"])
            case lifecycle.FetchImage(name):
                self.state = transitions.image_found(self.state, name)
            case lifecycle.Start(names):
                for name in names:
                    self.may_start(name)
                    self.starts.append(name)
                    self.state = run(self.state, name)
            case lifecycle.Again(name):
                self.state = transitions.again(self.state, name)
            case lifecycle.Remove(name):
                self.state = transitions.removed(self.state, name)
            case lifecycle.Signal(name, deadline):
                self.state = transitions.signalled(self.state, name, deadline)
            case lifecycle.Kill(name):
                self.state = transitions.killed(self.state, name, self.now)
                self.state = end(self.state, name, 137, self.now)
            case lifecycle.Force(name):
                self.state = transitions.lost(self.state, name, self.now)
            case lifecycle.BeginStop(reason, message):
                self.state = transitions.stop(
                    self.state, grace_seconds=30, now=self.now, reason=reason, message=message
                )
            case lifecycle.Finish(phase):
                self.state = transitions.finished(self.state, phase)
            case lifecycle.Release(entirely):
                running = [n for n, c in self.state.containers.items() if c.phase is Phase.RUNNING]
                assert not running, f"released under {running}"
                self.state = transitions.released(self.state, entirely=entirely)

    def may_start(self, name: str) -> None:
        assert self.state.container(name).phase is Phase.WAITING
        assert self.state.stop is None
        assert not self.state.final_phase
        if name not in [c.name for c in self.pod.spec.init_containers]:
            assert lifecycle.initialized(self.pod, self.state)
        if name in [c.name for c in self.pod.spec.ephemeral_containers]:
            assert name not in self.starts, "it runs once"

    def check(self, wire: Wire) -> None:
        debuggers = wire.get("ephemeralContainerStatuses", [])
        assert not any(one["ready"] or one["restartCount"] for one in debuggers)
        for one in [*wire.get("initContainerStatuses", []), *wire["containerStatuses"], *debuggers]:
            assert len(one["state"]) == 1
            assert all("reason" in state for kind, state in one["state"].items() if kind != "running")
        ready = next(c for c in wire["conditions"] if c["type"] == "Ready")
        assert (ready["status"] == "True") <= (wire["phase"] == "Running")

    def happen(self, event: tuple[str, Any]) -> None:
        kind, value = event
        if kind == "end":
            running = [n for n, c in self.state.containers.items() if c.phase is Phase.RUNNING]
            if running:
                self.state = end(self.state, running[value % len(running)], value % 3, self.now)
        elif kind == "wait":
            self.now += timedelta(seconds=value)
        else:
            self.state = transitions.stop(self.state, grace_seconds=value, now=self.now)
        self.settle()


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("end"), st.integers(0, 11)),
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.just("stop"), st.integers(0, 60)),
    ),
    max_size=40,
)
PODS = st.builds(
    pod,
    inits=st.sampled_from([(), ("i1",), ("i1", "i2")]),
    sidecars=st.sampled_from([(), ("s1",), ("s1", "s2")]),
    mains=st.sampled_from([("a",), ("a", "b")]),
    ephemeralContainers=st.sampled_from([[], [{"name": "d", "image": "d:1"}]]),
    restartPolicy=st.sampled_from(["Always", "OnFailure", "Never"]),
    activeDeadlineSeconds=st.sampled_from([None, 500]),
)


@settings(max_examples=300, deadline=None)
@given(PODS, EVENTS)
def test_whatever_happens_it_comes_to_rest_in_order_and_can_be_ended(any_pod, events):
    world = Simulation(any_pod)
    world.settle()
    for event in events:
        world.happen(event)
    final = [phase for phase in world.phases if phase in ("Succeeded", "Failed")]
    assert world.state.stop is not None or len(set(final)) <= 1
    world.happen(("stop", 30))
    for _ in range(8):
        world.happen(("wait", 40))
    assert world.state.gone
    assert all(c.removed for c in world.state.containers.values())


@settings(max_examples=200, deadline=None)
@given(PODS, EVENTS)
def test_a_state_survives_its_checkpoint(any_pod, events):
    from nodeagent.checkpoint import decode_pod, encode_pod

    world = Simulation(any_pod)
    world.settle()
    for event in events:
        world.happen(event)
    wire, state = decode_pod(encode_pod(any_pod.wire(), world.state))
    assert wire == any_pod.wire()
    assert state.containers == world.state.containers
    assert (state.stop, state.final_phase, state.released) == (
        world.state.stop,
        world.state.final_phase,
        world.state.released,
    )


@given(PODS, EVENTS)
@settings(max_examples=100, deadline=None)
def test_what_was_reported_is_understood_by_an_agent_that_lost_its_checkpoint(any_pod, events):
    world = Simulation(any_pod)
    world.settle()
    for event in events:
        world.happen(event)
    wire = any_pod.wire() | {"status": shown(any_pod, world.state, world.now)}
    accepted = transitions.accepted(Pod.parse(wire), world.now)
    for name, known in world.state.containers.items():
        assert accepted.container(name).attempt == known.attempt
        if known.phase is Phase.RUNNING:
            assert accepted.container(name).phase is Phase.RUNNING
    assert world.state.stop is not None or accepted.final_phase == world.state.final_phase
