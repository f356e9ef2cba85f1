"""Who is whose peer, which key carries packets and which is exchanged: decided without a kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network import encryption, wireguard
from nodeagent.network.encryption import Peer
from nodeagent.network.wireguard import KeyFile

PERIOD = 1000.0


def node(number, *, keys=("a", "b"), cidrs=None, address=None, name=""):
    name = name or f"n{number}"
    status = {"addresses": [{"type": "InternalIP", "address": address or f"192.0.2.{number}"}]}
    if keys:
        status["wireguard"] = [{"publicKey": f"{key}{number}", "port": 51820 + slot} for slot, key in enumerate(keys)]
    cidrs = cidrs or [f"10.244.{number}.0/24", f"fd00:{number}::/64"]
    return {"kind": "Node", "metadata": {"name": name}, "spec": {"podCIDRs": cidrs}, "status": status}


def test_every_other_node_with_keys_is_a_member():
    found = encryption.members([node(1), node(2), node(3, keys=())], own_name="n1")
    assert [member.name for member in found.encrypting] == ["n2"]
    assert found.others == ["n3"]
    (member,) = found.encrypting
    assert member.allowed == {"10.244.2.0/24", "fd00:2::/64", "192.0.2.2/32"}
    first, second = (encryption.peers([member], slot, active=0)[0] for slot in (0, 1))
    assert (first.key, first.endpoint) == ("a2", ("192.0.2.2", 51820))
    assert (second.key, second.endpoint) == ("b2", ("192.0.2.2", 51821))
    assert first.keepalive_seconds
    assert not second.keepalive_seconds


@pytest.mark.parametrize(
    "wireguard_status",
    [
        [],
        [{"publicKey": "x", "port": 1}],
        [{"publicKey": "x"}, {"port": 1}],
        [{"publicKey": "x", "port": "y"}] * 2,
        ["x", "y"],
    ],
)
def test_what_is_no_announcement_is_a_node_that_does_not_encrypt(wireguard_status):
    wire = node(2)
    wire["status"]["wireguard"] = wireguard_status
    assert encryption.members([wire], own_name="n1").others == ["n2"]


@pytest.mark.parametrize(
    "other",
    [
        node(3, cidrs=["10.244.2.0/24"], name="z"),
        node(3, address="192.0.2.2", name="z"),
        {**node(3, name="z"), "status": node(2)["status"] | {"addresses": node(3)["status"]["addresses"]}},
    ],
    ids=["range", "address", "key"],
)
def test_what_two_nodes_claim_is_the_first_ones(other):
    found = encryption.members([other, node(2)], own_name="n1")
    assert [member.name for member in found.encrypting] == ["n2"]


def test_a_node_without_a_range_is_neither():
    found = encryption.members([{**node(2), "spec": {}}], own_name="n1")
    assert (found.encrypting, found.others) == ([], [])


PEER = Peer("k", ("192.0.2.2", 51820), frozenset({"10.244.2.0/24"}), 25)


@pytest.mark.parametrize(
    ("present", "wanted", "removed", "changed"),
    [
        ([], [PEER], [], [PEER]),
        ([PEER], [PEER], [], []),
        ([replace(PEER, handshake=7.0)], [PEER], [], []),
        ([PEER], [], ["k"], []),
        ([PEER], [replace(PEER, key="l")], ["k"], [replace(PEER, key="l")]),
        ([replace(PEER, allowed=frozenset())], [PEER], [], [PEER]),
        ([replace(PEER, endpoint=("192.0.2.9", 1))], [PEER], [], [PEER]),
    ],
)
def test_only_what_differs_is_changed(present, wanted, removed, changed):
    assert encryption.difference(present, wanted) == (removed, changed)


@pytest.mark.parametrize(("now", "slot"), [(0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 0)])
def test_slots_take_turns(now, slot):
    assert encryption.active_slot(now, PERIOD) == slot
    assert encryption.active_slot(now, 0) == 0


@pytest.mark.parametrize(
    ("handshakes", "slot"),
    [
        ({}, 1),
        ({"b2": 9_950.0}, 1),
        ({"a2": 9_950.0}, 0),
        ({"a2": 9_950.0, "b2": 9_000.0}, 0),
        ({"a2": 9_000.0, "b2": 9_000.0}, 1),
        ({"a2": None, "b2": None}, 1),
    ],
)
def test_a_peer_that_answers_in_the_other_slot_only_is_sent_to_by_that(handshakes, slot):
    (member,) = encryption.members([node(2)], own_name="n1").encrypting
    assert encryption.by_slot(member, 1, handshakes, 10_000.0) == slot


@pytest.mark.parametrize(
    ("now", "created", "handshakes", "slot"),
    [
        (10_100.0, [0, 0], [None, None], None),
        (10_600.0, [0, 0], [None, None], 1),
        (10_600.0, [0, 10_550.0], [None, None], None),
        (10_600.0, [0, 0], [None, 10_590.0], None),
        (10_600.0, [0, 0], [None, 10_420.0], None),
        (10_600.0, [0, 0], [None, 10_419.0], 1),
        (10_600.0, [0, 0], [10_590.0, 10_000.0], 1),
        (11_600.0, [0, 0], [None, None], 0),
    ],
    ids=[
        "first half",
        "due",
        "done",
        "still used",
        "its session may live",
        "no session lives",
        "the other is used",
        "the next period",
    ],
)
def test_the_key_at_rest_is_exchanged_once_a_period_and_not_while_it_is_used(now, created, handshakes, slot):
    assert encryption.due(now, PERIOD, created, handshakes) == slot
    assert encryption.due(now, 0, created, handshakes) is None


@pytest.mark.parametrize("period", [encryption.SHORTEST_PERIOD_SECONDS, 86_400.0])
def test_in_the_shortest_period_too_a_key_falls_out_of_use_and_is_exchanged(period):
    """The last handshake of the slot before was as late as one can be: when the other was first tried."""
    begin = 10 * period
    last = begin + 60
    due = [
        now for now in range(int(begin), int(begin + period)) if encryption.due(now, period, [0, 0], [None, last]) == 1
    ]
    assert due
    assert min(due) > last + encryption.ALIVE_SECONDS


@pytest.mark.parametrize("word", ["0", "600", "86400", "1e5"])
def test_periods_that_leave_time_for_a_key_to_fall_out_of_use(word):
    assert encryption.parse_rotation(word) == float(word)


@pytest.mark.parametrize("word", ["1", "599.9", "-5", "nan", "inf", "daily", ""])
def test_other_periods_are_refused(word):
    with pytest.raises(ValueError, match=r"SLIPWAY_WIREGUARD_ROTATION_SECONDS is .*: it must be 0"):
        encryption.parse_rotation(word)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_the_key_that_carries_packets_is_never_exchanged(now, first, second):
    assert encryption.due(now, PERIOD, [first, second], [None, None]) != encryption.active_slot(now, PERIOD)


def test_the_guard_names_both_families_and_every_device():
    text = encryption.guard(
        "1a2b", pod_networks=[ip_network("10.244.0.0/16"), ip_network("fd00::/56")], inside=["lo", "slip1a2b"]
    )
    assert 'oifname != { "lo", "slip1a2b" } ip daddr 10.244.0.0/16 drop' in text
    assert 'iifname != { "lo", "slip1a2b" } ip6 saddr fd00::/56 ip6 daddr fd00::/56 drop' in text


def test_keys_are_kept_private_and_exchanged_in_two_steps(tmp_path):
    file = KeyFile(tmp_path / "network" / "wireguard.json")
    keys = file.load(5.0)
    assert (tmp_path / "network" / "wireguard.json").stat().st_mode & 0o777 == 0o600
    assert file.load(6.0) == keys
    assert keys.slots[0].secret not in repr(keys)
    coming = keys.exchanging(1, 7.0)
    file.save(coming)
    assert file.load(8.0) == coming
    assert coming.slots == keys.slots, "the former is used until everybody can read the new one"
    assert coming.announced(51820) != keys.announced(51820)
    assert coming.exchanged().announced(51820) == coming.announced(51820)
    assert coming.exchanged().slots[0] == keys.slots[0]


@pytest.mark.parametrize("text", ["", "{}", '{"slots": []}', '{"slots": [], "coming": null, "coming_slot": 0}', "[1]"])
def test_a_key_file_that_cannot_be_read_is_made_anew(tmp_path, text):
    path = tmp_path / "wireguard.json"
    path.write_text(text)
    assert len(KeyFile(path).load(1.0).slots) == 2


def test_public_keys_are_those_of_the_kernel():
    """RFC 7748, section 6.1: Alice's keys."""
    key = wireguard.PrivateKey("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", 0.0)
    assert key.public == "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
