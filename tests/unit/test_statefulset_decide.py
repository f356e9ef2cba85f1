"""The decisions of a StatefulSet, against a little world in which pods start, become ready, break and end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers.statefulsets.decide import Decision, Replica, Wanted, decide


def up(ordinal: int, revision: str = "a", **more) -> Replica:
    return Replica(ordinal, revision, available=True, **more)


def of(*replicas: Replica) -> dict[int, Replica]:
    return {one.ordinal: one for one in replicas}


@pytest.mark.parametrize(
    ("wanted", "replicas", "create", "delete"),
    [
        (Wanted(3), of(), [0], []),
        (Wanted(3), of(up(0)), [1], []),
        (Wanted(3), of(Replica(0, "a")), [], []),
        (Wanted(3, ordered=False), of(Replica(0, "a")), [1, 2], []),
        (Wanted(2, start=5), of(up(5)), [6], []),
        (Wanted(1), of(up(0), up(1), up(2)), [], [2]),
        (Wanted(1, ordered=False), of(up(0), up(1), up(2)), [], [2, 1]),
        (Wanted(1), of(up(0), up(1), up(2, terminating=True)), [], []),
        (Wanted(0), of(up(0)), [], [0]),
        (Wanted(2), of(up(0), Replica(1, "a", finished=True)), [], [1]),
        (Wanted(3, update="b"), of(up(0), up(1), up(2)), [], [2]),
        (Wanted(3, update="b"), of(up(0), up(1), up(2, "b")), [], [1]),
        (Wanted(3, update="b"), of(up(0), up(1), Replica(2, "b")), [], []),
        (Wanted(3, update="b", partition=2), of(up(0), up(1), up(2, "b")), [], []),
        (Wanted(3, update="b", rolling=False), of(up(0), up(1), up(2)), [], []),
        (Wanted(4, update="b", max_unavailable=2), of(up(0), up(1), up(2), up(3)), [], [3, 2]),
        # A broken update is taken back: what is not available anyway goes at once.
        (Wanted(3, update="a"), of(up(0), up(1), Replica(2, "broken")), [], [2]),
        # Ordinals stay taken while their pod exists.
        (Wanted(3), of(up(0), Replica(1, "a", terminating=True), up(2)), [], []),
    ],
)
def test_one_step(wanted, replicas, create, delete):
    decision = decide(wanted, replicas)
    assert (list(decision.create), list(decision.delete)) == (create, delete)


def test_a_pod_below_the_partition_comes_back_as_it_was():
    wanted = Wanted(3, update="b", partition=2)
    assert [wanted.revision_for(ordinal) for ordinal in range(3)] == ["a", "a", "b"]


def test_an_ordinal_that_is_blocked_says_why():
    decision = decide(Wanted(2), of(up(0)), {1: "its claim is being deleted"})
    assert (decision.create, decision.waits) == ([], "its claim is being deleted")


WANTED = st.builds(
    Wanted,
    replicas=st.integers(0, 5),
    start=st.integers(0, 3),
    ordered=st.booleans(),
    partition=st.integers(0, 6),
    max_unavailable=st.integers(1, 3),
    current=st.just("a"),
    update=st.sampled_from(["a", "b"]),
)
REPLICAS = st.dictionaries(
    st.integers(0, 9),
    st.builds(
        Replica,
        ordinal=st.just(0),
        revision=st.sampled_from(["a", "b", "old"]),
        available=st.booleans(),
        terminating=st.booleans(),
        finished=st.booleans(),
    ),
    max_size=8,
).map(
    lambda found: {
        key: replace(one, ordinal=key, available=one.available and not one.finished) for key, one in found.items()
    }
)


def act(wanted: Wanted, replicas: dict[int, Replica], decision: Decision) -> None:
    """What the store does."""
    for ordinal in decision.create:
        assert ordinal not in replicas, "two pods of one ordinal"
        replicas[ordinal] = Replica(ordinal, wanted.revision_for(ordinal))
    for ordinal in decision.delete:
        assert not replicas[ordinal].terminating, "deleted twice"
        replicas[ordinal] = replace(replicas[ordinal], terminating=True, available=False)


def settle_one(replicas: dict[int, Replica]) -> bool:
    """What one agent does next: an ending pod is gone, or a starting one is available."""
    for ordinal, one in sorted(replicas.items()):
        if one.terminating:
            del replicas[ordinal]
            return True
        if not one.available and not one.finished:
            replicas[ordinal] = replace(one, available=True)
            return True
    return False


@settings(max_examples=300, deadline=None)
@given(WANTED, REPLICAS)
def test_it_converges_and_then_does_nothing(wanted, replicas):
    for _ in range(200):
        decision = decide(wanted, replicas)
        act(wanted, replicas, decision)
        if not settle_one(replicas) and not decision:
            break
    assert set(replicas) == set(wanted.ordinals)
    assert not decide(wanted, replicas)
    for one in replicas.values():
        assert one.available
        if one.ordinal >= wanted.start + wanted.partition:
            assert one.revision == wanted.update


@settings(max_examples=300, deadline=None)
@given(WANTED, REPLICAS)
def test_ordered_does_one_thing_and_only_after_those_before_are_available(wanted, replicas):
    wanted = replace(wanted, ordered=True)
    decision = decide(wanted, replicas)
    assert len(decision.create) <= 1
    for ordinal in decision.create:
        assert all(before in replicas and replicas[before].available for before in range(wanted.start, ordinal))
    if len(decision.delete) > 1:
        assert wanted.max_unavailable > 1
        assert set(decision.delete) <= set(wanted.ordinals)
    surplus = [one for one in replicas if one not in wanted.ordinals]
    for ordinal in decision.delete:
        if ordinal in surplus:
            assert ordinal == max(surplus)


@settings(max_examples=300, deadline=None)
@given(WANTED, REPLICAS)
def test_an_update_never_takes_more_than_may_be_unavailable(wanted, replicas):
    before = [one for one in replicas.values() if one.available and not one.terminating]
    decision = decide(wanted, replicas)
    taken = [one for one in before if one.ordinal in decision.delete and one.ordinal in wanted.ordinals]
    left = len([one for one in before if one.ordinal in wanted.ordinals]) - len(taken)
    assert not taken or left >= wanted.replicas - wanted.max_unavailable


@settings(max_examples=300, deadline=None)
@given(WANTED, REPLICAS)
def test_the_partition_is_respected(wanted, replicas):
    decision = decide(wanted, replicas)
    for ordinal in decision.delete:
        one = replicas[ordinal]
        below = wanted.start <= ordinal < wanted.start + min(wanted.partition, wanted.replicas)
        assert not below or one.finished
