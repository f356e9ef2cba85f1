"""What is decided about other nodes without them: who is asked, who keeps track, what is told of a pull."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.facilities import Credentials, ImageConfig, Progress
from nodeagent.images import reference
from nodeagent.images.disk import state
from nodeagent.images.peers import access
from nodeagent.images.peers.directory import Directory, ranked
from nodeagent.images.peers.tracker import Tracker
from nodeagent.images.registry import grants
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

    def test_one_who_only_asks_is_no_source(self):
        tracker = Tracker()
        tracker.want("k", "hidden", 0.0, is_serving=False)
        assert tracker.want("k", "b", 0.0) == []

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


def token(key: ec.EllipticCurvePrivateKey, **changes: Any) -> str:
    """As the control plane's token service makes them; tests/api/test_registry_tokens.py asks it for a real one."""
    claims = {"aud": "slipway-peers", "sub": "system:node:n", "nbf": 990, "exp": 1120, "access": [PULL], **changes}
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({}, claims)]
    r, s = utils.decode_dss_signature(key.sign(".".join(parts).encode(), ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=").decode()
    return ".".join([*parts, signature])


PULL = {"type": "repository", "name": "team/app", "actions": ["pull"]}
KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name, now = x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(now).not_valid_after(now)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class TestGrants:
    def allows(self, text: str, *, by: ec.EllipticCurvePrivateKey = KEY, repository: str = "team/app") -> bool:
        return grants.allows(text, certificate(by), subject="system:node:n", repository=repository, now=1000.0)

    def test_the_control_planes_word_counts(self):
        assert self.allows(token(KEY))

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "slipway-registry"},
            {"sub": "system:node:other"},
            {"exp": 900},
            {"nbf": 2000},
            {"access": []},
            {"access": [{**PULL, "actions": ["push"]}]},
            {"access": [{**PULL, "name": "team/other"}]},
            {"access": "all"},
            {"exp": "soon"},
        ],
    )
    def test_it_counts_for_what_it_says_only(self, changes):
        assert not self.allows(token(KEY, **changes))

    def test_nobody_elses_word_counts(self):
        assert not self.allows(token(OTHER))
        assert not self.allows(token(KEY), by=OTHER)
        head, claims, _ = token(KEY).split(".")
        assert not self.allows(f"{head}.{claims}.{token(OTHER).split('.')[2]}")

    @pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.b.c.d", "e30.W10.", "é.é.é"])
    def test_nonsense_does_not(self, text):
        assert not self.allows(text)


class TestAccess:
    REFERENCE = reference.parse("host.example/team/app:1")

    def may(
        self, allowed: str, *, asked: str = "host.example/team/app", shown: str = "", granted: bool = False
    ) -> bool:
        config = ImageConfig()
        image = state.ImageRecord("sha256:m", config, (), 0, 0.0)
        record = state.ReferenceRecord("id", "sha256:i", access=allowed)
        found = state.State({str(self.REFERENCE.at("sha256:i")): record}, {"id": image})
        return access.may_have_manifest(
            found, asked, "sha256:i", shown=shown, asker="a", answerer="b", is_granted=lambda _: granted
        )

    def test_a_public_image_is_everybodys_under_its_own_name(self):
        assert self.may(access.PUBLIC)
        assert not self.may(access.PUBLIC, asked="elsewhere.example/team/app")

    def test_one_of_the_clusters_registry_takes_the_control_planes_word_by_whatever_name(self):
        assert self.may(access.CLUSTER, asked="localhost:5000/team/app", granted=True)
        assert not self.may(access.CLUSTER, asked="localhost:5000/team/other", granted=True)
        assert not self.may(access.CLUSTER)
        assert not self.may(access.UNKNOWN, granted=True)

    def test_what_is_noted_of_a_pull(self):
        login = Credentials("alice", "secret")
        loopback = reference.parse("127.0.0.1:5000/app")

        def noted(name=self.REFERENCE, login=None, *, is_own=False, is_logged_in=False):
            return access.of_pull(name, login, is_own=is_own, is_logged_in=is_logged_in)

        assert noted() == access.PUBLIC
        assert noted(loopback) == access.UNKNOWN
        assert noted(is_logged_in=True) == access.UNKNOWN  # a mirror that lets this node in may not let others in
        assert noted(loopback, is_own=True, is_logged_in=True) == access.CLUSTER
        kept = noted(login=login, is_own=True)
        assert kept.startswith("login:")
        assert "secret" not in kept


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
