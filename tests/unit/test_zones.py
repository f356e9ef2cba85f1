"""When the pods of lost nodes may be given up."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.controllers import zones
from controlplane.controllers.zones import Member, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATE = 0.1


def members(shape: str, zone: str = "") -> list[Member]:
    """``.`` ready, ``x`` lost."""
    return [Member(f"{zone}{number}", zone, letter == ".") for number, letter in enumerate(shape)]


def begun(seconds: float) -> Member:
    """A lost node that has been given up so long ago."""
    return Member("other", "", False, NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("shape", "state"),
    [
        ("", State.NORMAL),
        (".", State.NORMAL),
        ("x", State.FULL),
        ("x.", State.NORMAL),
        ("xx.", State.NORMAL),  # as Kubernetes: up to two lost nodes are no pattern
        ("xxx.", State.PARTIAL),
        ("xxx..", State.PARTIAL),
        ("xxx...", State.NORMAL),
        ("xxxx", State.FULL),
    ],
)
def test_the_state_of_a_zone(shape, state):
    assert zones.state_of(members(shape)) is state


@pytest.mark.parametrize(
    ("cluster", "evict", "retract", "again_after"),
    [
        (members("x.."), True, False, None),
        (members("x"), False, True, 10),
        (members("xx", "a") + members("xx", "b"), False, True, 10),
        # a whole zone is lost, another is there: its pods go there
        (members("xx", "a") + members("..", "b"), True, False, None),
        (members("xxx.", "a") + members("..", "b"), False, False, 10),
        # one after another
        ([*members(".x..."), begun(4)], False, False, 6),
        ([*members(".x..."), begun(10)], True, False, None),
        # a tenth of that in a large zone of which most is lost
        (members("x" * 40 + "." * 20), True, False, None),
        ([*members("x" * 40 + "." * 20), begun(40)], False, False, 60),
    ],
)  # fmt: skip
def test_whether_a_lost_node_is_emptied(cluster, evict, retract, again_after):
    name = next(each.name for each in cluster if not each.ready)
    verdict = zones.judge(name, cluster, NOW, RATE)
    assert (verdict.evict, verdict.retract, verdict.again_after) == (evict, retract, again_after)
    assert verdict.evict or verdict.why


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), min_size=1, max_size=30))
def test_nothing_is_given_up_when_nothing_answers_and_never_the_last_word_is_missing(shape):
    cluster = [Member(str(number), zone, ready) for number, (zone, ready) in enumerate(shape)]
    for each in cluster:
        if not each.ready:
            verdict = zones.judge(each.name, cluster, NOW, RATE)
            assert not (verdict.evict and not any(one.ready for one in cluster))
            assert verdict.evict or (verdict.again_after and verdict.why)


@given(st.integers(3, 20), st.integers(1, 20))
def test_lost_nodes_are_given_up_one_after_another(ready, lost):
    """As the controller does it, second by second: never two within the time of one."""
    cluster = [Member(f"r{number}", "", True) for number in range(ready)]
    cluster += [Member(f"x{number}", "", False) for number in range(lost)]
    times = []
    for second in range(300):
        now = NOW + timedelta(seconds=second)
        for position, each in enumerate(cluster):
            if not each.ready and each.emptied_since is None and zones.judge(each.name, cluster, now, RATE).evict:
                cluster[position] = Member(each.name, "", False, now)
                times.append(second)
    assert all(later - before >= 10 for before, later in itertools.pairwise(times))
    partial = zones.state_of(cluster) is State.PARTIAL
    assert len(times) == (0 if partial else min(lost, 30))


def test_zones_go_by_region_and_zone():
    labels = {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "eu-1"}
    assert zones.zone_of({"metadata": {"labels": labels}}) == "eu/eu-1"
    assert zones.zone_of({"metadata": {}}) == ""
