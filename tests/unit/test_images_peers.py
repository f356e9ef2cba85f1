"""What is decided about other nodes without them: who is asked, who keeps track, what is told of a pull."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.facilities import Progress
from nodeagent.images.peers.directory import Directory, ranked
from nodeagent.images.peers.tracker import Tracker
from nodeagent.pods import pulls
from schema.base import Wire

NODES = [f"node-{number}" for number in range(6)]


def wire(name: str, key: bytes = b"der", port: object = 1, **peer: object) -> Wire:
    published = {"port": port, "certificate": base64.b64encode(key).decode(), **peer}
    return {"metadata": {"name": name}, "status": {"addresses": [], "imagePeer": published}}


class TestTracker:
    def test_the_first_goes_to_the_registry_and_the_others_follow(self):
        tracker = Tracker()
        asked = [tracker.want("k", node, 0.0) for node in NODES]
        assert asked[0] == []
        assert all(asked[1:])

    @given(st.lists(st.tuples(st.sampled_from(["want", "have", "drop"]), st.sampled_from(NODES)), max_size=60))
    def test_nobody_is_sent_to_one_who_began_later_or_to_itself(self, story):
        tracker, began = Tracker(), dict[str, int]()
        for moment, (what, node) in enumerate(story):
            if what == "want":
                sources = tracker.want("k", node, float(moment))
                assert node not in sources
                assert all(began[one] < moment for one in sources)
                began[node] = moment
            elif what == "have":
                tracker.have("k", node, float(moment))
                began.setdefault(node, moment)
            else:
                tracker.drop("k", node)

    def test_they_spread_over_those_who_have_it(self):
        tracker = Tracker()
        firsts = [tracker.want("k", f"node-{number}", 0.0)[:1] for number in range(20)]
        assert max(firsts.count([one]) for one in {name for first in firsts for name in first}) <= 2

    def test_one_who_gave_up_is_no_source(self):
        tracker = Tracker()
        tracker.want("k", "a", 0.0)
        tracker.drop("k", "a")
        assert tracker.want("k", "b", 0.0) == []

    def test_what_was_said_long_ago_is_forgotten(self):
        tracker = Tracker()
        tracker.want("fetching", "a", 0.0)
        tracker.have("had", "a", 0.0)
        assert tracker.want("fetching", "b", 700.0) == []
        assert tracker.want("had", "b", 700.0) == ["a"]
        assert tracker.want("had", "c", 2 * 24 * 3600.0) == []


class TestDirectory:
    def test_it_holds_the_others_that_have_a_certificate(self):
        directory = Directory("me")
        directory.replace([wire("me"), wire("one", b"1"), wire("asks", b"2", port=0), {"metadata": {"name": "old"}}])
        assert set(directory.serving()) == {"one"}
        assert directory.node_of(b"2") == "asks"
        assert directory.node_of(b"der") is None

    def test_who_left_is_known_no_more(self):
        directory = Directory("me")
        directory.replace([wire("one", b"1")])
        directory.replace([])
        assert directory.node_of(b"1") is None

    @pytest.mark.parametrize("broken", [{"port": "x"}, {"certificate": "%"}, {"certificate": ""}, {"port": [1]}])
    def test_nonsense_is_left_out(self, broken):
        directory = Directory("me")
        directory.replace([wire("one", **broken)])
        assert not directory.everyone()

    def test_a_node_that_comes_moves_only_the_keys_that_become_its_own(self):
        keys = [f"key-{number}" for number in range(200)]
        before = {key: ranked(key, NODES[:5])[0] for key in keys}
        after = {key: ranked(key, NODES)[0] for key in keys}
        moved = [key for key in keys if after[key] != before[key]]
        assert 0 < len(moved) < 80
        assert {after[key] for key in moved} == {NODES[5]}


class TestTelling:
    def test_a_pod_hears_of_bytes_layers_and_rate_now_and_then(self):
        now, told = [0.0], []
        telling = pulls.Telling(lambda text, loud: told.append((text, loud)), clock=lambda: now[0])
        for tenth in range(1, 121):
            now[0] = tenth / 10
            telling(Progress("app:1", 1, 4, tenth * 100_000, 50_000_000))
        assert len(told) == 6
        assert told[0] == ('Pulling image "app:1": 2.0 MB of 50.0 MB, 1 of 4 layers, 1.0 MB/s', False)
        assert [loud for _, loud in told].count(True) == 1

    def test_nothing_is_told_before_the_manifest_is_there(self):
        now, told = [0.0], []
        telling = pulls.Telling(lambda text, loud: told.append(text), clock=lambda: now[0])
        now[0] = 60.0
        telling(Progress("app:1", 0, 0, 0, 0))
        assert not told
