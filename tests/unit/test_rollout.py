"""The arithmetic of rolling updates: never below availability, never above surge, it converges, and then it rests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers import pods, replicaset, rollout
from controlplane.controllers.rollout import Bounds, Part
from tests.unit.test_workload_parts import OWNER, pod


def limits(wanted, surge, unavailable):
    return rollout.bounds(
        {"replicas": wanted, "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}
    )


@pytest.mark.parametrize(
    ("wanted", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", Bounds(10, 3, 2)),
        (1, "25%", "25%", Bounds(1, 1, 0)),
        (4, "0%", "10%", Bounds(4, 0, 1)),  # both nothing: one may be unavailable
        (3, 0, 5, Bounds(3, 0, 3)),
        (0, "25%", "25%", Bounds(0, 0, 0)),
        (5, 2, 0, Bounds(5, 2, 0)),
    ],
)
def test_bounds(wanted, surge, unavailable, expected):
    assert limits(wanted, surge, unavailable) == expected


def test_the_bounds_of_a_recreate_leave_no_room():
    assert rollout.bounds({"replicas": 4, "strategy": {"type": "Recreate"}}) == Bounds(4, 0, 0)


@dataclass
class World:
    """ReplicaSets whose controllers and pods take their time."""

    limits: Bounds
    spec: dict[str, int]
    available: dict[str, int]
    dead: set[str] = field(default_factory=set)
    """ReplicaSets whose new pods never become available."""

    def parts(self):
        return [Part(name, self.spec[name], self.available[name]) for name in self.spec]

    def plan(self):
        *old, new = self.parts()
        sizes = rollout.step(self.limits, new, old)
        self.spec |= sizes
        return sizes

    def let(self, name, ready):
        """The ReplicaSet's controller follows, ending what is not available first; some more pods become available."""
        self.available[name] = min(self.available[name], self.spec[name])
        if name not in self.dead:
            self.available[name] = min(self.spec[name], self.available[name] + ready)


amounts_ = st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda percent: f"{percent}%"))


@st.composite
def worlds(draw):
    wanted = draw(st.integers(0, 30))
    bounds = limits(wanted, draw(amounts_), draw(amounts_))
    names = [f"rs{i}" for i in range(draw(st.integers(1, 4)))]
    spec = dict.fromkeys([*names, "new"], 0)
    spec[names[0]] = wanted
    return World(bounds, spec, dict(spec))


moves = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=60)


@given(worlds(), moves)
@settings(max_examples=300, deadline=None)
def test_it_stays_within_its_bounds_whatever_comes_when(world, order):
    names = list(world.spec)
    for which, ready in order:
        world.plan()
        assert sum(world.spec.values()) <= max(world.limits.most, world.limits.wanted)
        surely = sum(min(world.spec[name], world.available[name]) for name in names)
        assert surely >= world.limits.least_available
        world.let(names[which % len(names)], ready)


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_it_converges_and_then_rests(world):
    for _ in range(400):
        world.plan()
        for name in world.spec:
            world.let(name, 1)
    assert world.spec == {**dict.fromkeys(world.spec, 0), "new": world.limits.wanted}
    assert world.plan() == {}


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_without_news_it_comes_to_rest_at_once(world):
    for _ in range(50):
        for _ in range(3):  # what the old ones give up, the new one takes
            world.plan()
        assert world.plan() == {}
        for name in world.spec:
            world.let(name, 1)


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_a_new_template_that_never_works_takes_no_more_than_it_may(world):
    world.dead.add("new")
    for _ in range(100):
        world.plan()
        for name in world.spec:
            world.let(name, 3)
    surely = sum(min(world.spec[name], world.available[name]) for name in world.spec)
    assert surely >= world.limits.least_available
    assert sum(world.spec.values()) <= world.limits.most


def test_what_does_not_work_goes_first():
    sizes = rollout.shrink(Bounds(4, 1, 1), Part("new", 1, 0), [Part("a", 2, 2), Part("b", 2, 0)])
    assert sizes == {"b": 1}


@pytest.mark.parametrize(
    ("wanted", "parts", "expected"),
    [
        # Kubernetes' own example: ten replicas, surge 3, in the middle of an update; scaled to fifteen.
        (15, {"old": 8, "new": 5}, {"old": 11, "new": 7}),
        (5, {"old": 8, "new": 5}, {"old": 5, "new": 3}),
        (0, {"old": 8, "new": 5}, {"old": 0, "new": 0}),
        (10, {"old": 8, "new": 5}, {}),
    ],
)
def test_scaling_in_the_middle_of_an_update_is_shared_out(wanted, parts, expected):
    given_ = [Part(name, size, size, 13) for name, size in parts.items()]
    assert rollout.proportional(limits(wanted, 3, 2), given_) == expected


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 80), st.integers(0, 10), st.integers(1, 90))
def test_proportional_scaling_gives_out_just_what_there_is(sizes, wanted, surge, most):
    bounds = Bounds(wanted, surge, 0)
    parts = [Part(f"rs{i}", size, size, most) for i, size in enumerate(sizes)]
    after = {part.name: part.replicas for part in parts} | rollout.proportional(bounds, parts)
    assert all(size >= 0 for size in after.values())
    assert sum(after.values()) == (bounds.most if wanted else 0)


# ReplicaSets

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@st.composite
def crowds(draw):
    count = draw(st.integers(0, 12))
    return [
        pod(
            f"p{i}",
            owner=OWNER,
            labels={"app": "web"},
            leaving=draw(st.booleans()),
            phase=draw(st.sampled_from(["Pending", "Running", "Failed", "Succeeded"])),
            ready=draw(st.sampled_from([None, 1, 100])),
        )
        for i in range(count)
    ]


@given(crowds(), st.integers(0, 15))
def test_a_replica_set_makes_and_ends_just_so_many(crowd, wanted):
    owner = {**OWNER, "spec": {"replicas": wanted, "template": {"metadata": {"labels": {"app": "web"}}}}}
    decision = replicaset.decide(owner, crowd, NOW)
    active = [one for one in crowd if pods.is_active(one)]
    assert len(active) + len(decision.create) - len(decision.delete) == wanted
    assert not (decision.create and decision.delete)
    assert all(one in active for one in decision.delete)
    assert not set(decision.create) & {one["metadata"]["name"] for one in crowd}
    assert decision == replicaset.decide(owner, crowd, NOW)
    # Idempotent: once done, nothing is left to do.
    made = [pod(name, owner=OWNER, phase="Pending") for name in decision.create]
    after = replicaset.decide(owner, [one for one in crowd if one not in decision.delete] + made, NOW)
    assert (after.create, list(after.delete)) == ([], [])


def test_what_is_ready_survives_what_is_not():
    owner = {**OWNER, "spec": {"replicas": 1, "template": {}}}
    good, bad = pod("good", ready=5), pod("bad")
    assert replicaset.decide(owner, [good, bad], NOW).delete == [bad]
