"""What a lab decides: names, addresses, ranges, amounts, rules; and that its state survives being written."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.access import pki
from controlplane.instance import address, control, processes
from controlplane.instance.lab import devices, network, plan, state
from controlplane.instance.lab.errors import BadSetting, LabError, RangeConflict
from controlplane.instance.lab.plan import Used
from controlplane.instance.lab.state import ALL, Lab, Link, Node
from controlplane.instance.layout import Layout

LAB = Lab(IPv4Network("10.230.7.0/24"))
INSTANCE = "1a2b3c4d"


def used(*networks: str) -> list[Used]:
    return [Used(IPv4Network(network), "eth0") for network in networks]


# --- ranges -------------------------------------------------------------------------------------------------------


def test_two_instances_choose_different_ranges() -> None:
    assert plan.choose_network("00000001", []) != plan.choose_network("00000002", [])


def test_a_range_in_use_is_passed_over() -> None:
    assert str(plan.choose_network("00000001", used("10.230.1.0/24"))) == "10.230.2.0/24"
    assert str(plan.choose_network("000000ff", used("10.230.255.128/25"))) == "10.230.0.0/24"


def test_no_free_range_names_the_setting() -> None:
    with pytest.raises(RangeConflict, match="SLIPWAY_LAB_NETWORK"):
        plan.choose_network(INSTANCE, used("10.0.0.0/8"))


@pytest.mark.parametrize("other", ["10.230.7.0/24", "10.230.7.128/25", "10.230.0.0/16", "10.0.0.0/8", "10.230.7.9/32"])
def test_a_range_of_the_host_is_a_conflict_that_names_it(other: str) -> None:
    with pytest.raises(RangeConflict, match=f"overlaps {other}, which this host has on eth0"):
        plan.check_network(LAB.network, used("192.0.2.0/24", other), pods=None)


def test_the_pod_network_is_a_conflict() -> None:
    with pytest.raises(RangeConflict, match="pod network"):
        plan.check_network(LAB.network, [], pods=IPv4Network("10.230.0.0/16"))
    plan.check_network(LAB.network, used("192.0.2.0/24"), pods=IPv4Network("10.244.0.0/16"))


@pytest.mark.parametrize("text", ["", "x", "10.0.0.1/24", "10.0.0.0/30", "10.0.0.0/32", "fd00::/64"])
def test_a_range_that_cannot_be_names_the_setting(text: str) -> None:
    with pytest.raises(BadSetting, match="SLIPWAY_LAB_NETWORK"):
        plan.parse_network(text)


# --- nodes --------------------------------------------------------------------------------------------------------


def test_a_lab_grows_to_the_count_with_the_own_machine_in_it() -> None:
    lab = plan.grown(LAB, 3, primary="vm")
    assert [(node.name, str(lab.address(node))) for node in lab.nodes] == [
        ("node-2", "10.230.7.2/24"),
        ("node-3", "10.230.7.3/24"),
    ]
    assert plan.grown(lab, 2, primary="vm") == lab
    assert [node.name for node in plan.grown(lab, 4, primary="vm").nodes] == ["node-2", "node-3", "node-4"]


def test_no_node_takes_the_machines_own_name() -> None:
    assert [node.name for node in plan.grown(LAB, 3, primary="node-2").nodes] == ["node-3", "node-4"]


def test_a_removed_nodes_address_is_given_again_and_the_others_keep_theirs() -> None:
    lab = plan.grown(LAB, 4, primary="vm").without("node-3")
    lab = lab.with_node(plan.new_node(lab, "late", primary="vm"))
    assert {node.name: node.number for node in lab.nodes} == {"node-2": 2, "late": 3, "node-4": 4}


@pytest.mark.parametrize("name", ["", "UPPER", "a.b", "-a", "a-", "a" * 64, "a b", "../up", "vm", "node-2"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(BadSetting):
        plan.new_node(plan.grown(LAB, 2, primary="vm"), name, primary="vm")


def test_a_full_range_is_said() -> None:
    lab = plan.grown(Lab(IPv4Network("10.230.7.0/29")), 6, primary="vm")
    assert [lab.address(node).ip in list(lab.network.hosts()) for node in lab.nodes] == [True] * 5
    with pytest.raises(BadSetting, match="no address left"):
        plan.new_node(lab, "more", primary="vm")


def test_who_asks_for_an_unknown_node_is_told_the_known_ones() -> None:
    with pytest.raises(LabError, match="it has: node-2"):
        plan.grown(LAB, 2, primary="vm").find("node-9")


def test_names_of_devices_fit_the_kernel_and_differ() -> None:
    names = {plan.interface_name(INSTANCE, f"node-{n}") for n in range(100)} | {plan.bridge_name(INSTANCE)}
    assert len(names) == 101
    assert all(len(name) <= 15 for name in names)


# --- amounts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "link"),
    [
        (("20ms", "1%", "100mbit"), Link(20.0, 1.0, 100_000_000)),
        (("", "", ""), Link()),
        (("1.5s", "", ""), Link(latency_ms=1500.0)),
        (("500us", "", ""), Link(latency_ms=0.5)),
        (("7", "", ""), Link(latency_ms=7.0)),
        (("", "0.1", ""), Link(loss_percent=0.1)),
        (("", "", "2gbit"), Link(bandwidth_bits=2_000_000_000)),
        (("", "", "1.5Mbit/s"), Link(bandwidth_bits=1_500_000)),
        (("", "", "64kbit"), Link(bandwidth_bits=64_000)),
    ],
)
def test_amounts_are_read_with_their_units(words: tuple[str, str, str], link: Link) -> None:
    assert plan.parse_link(*words) == link


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("soon", "", ""), "--latency"),
        (("-1ms", "", ""), "--latency"),
        (("2m", "", ""), "--latency"),
        (("61s", "", ""), "--latency"),
        (("", "101%", ""), "--loss"),
        (("", "-1", ""), "--loss"),
        (("", "", "fast"), "--bandwidth"),
        (("", "", "100"), "--bandwidth"),
        (("", "", "1bit"), "--bandwidth"),
        (("", "", "200gbit"), "--bandwidth"),
    ],
)
def test_an_amount_that_cannot_be_names_its_option(words: tuple[str, str, str], option: str) -> None:
    with pytest.raises(BadSetting, match=option):
        plan.parse_link(*words)


# --- rules --------------------------------------------------------------------------------------------------------


def drops(lab: Lab) -> list[str]:
    """The rules that drop, with the nodes' names for their devices."""
    text = plan.rules(lab, INSTANCE, primary="vm")
    for node in lab.nodes:
        text = text.replace(plan.interface_name(INSTANCE, node.name), node.name)
    return [line.strip() for line in text.splitlines() if line.strip().endswith("drop")]


def cut(name: str, *others: str) -> Lab:
    lab = plan.grown(LAB, 4, primary="vm")
    return lab.with_node(replace(lab.find(name), cut=others))


def test_nothing_is_dropped_where_nothing_is_cut() -> None:
    assert drops(plan.grown(LAB, 4, primary="vm")) == []


def test_a_node_that_is_cut_from_everybody_hears_and_is_heard_by_nobody() -> None:
    assert drops(cut("node-2", ALL)) == [
        'iifname "node-2" drop',
        'oifname "node-2" drop',
        'iifname "node-2" drop',
        'oifname "node-2" drop',
    ]


def test_two_nodes_are_cut_both_ways_and_reach_the_host() -> None:
    assert drops(cut("node-2", "node-3")) == [
        'iifname "node-2" oifname "node-3" drop',
        'iifname "node-3" oifname "node-2" drop',
    ]


def test_a_node_is_cut_from_the_host_alone() -> None:
    assert drops(cut("node-2", "vm")) == ['iifname "node-2" drop', 'oifname "node-2" drop']


@pytest.mark.parametrize(
    ("percent", "rule"),
    [
        (1.0, 'iifname "node-2" numgen random mod 1000000 < 10000 drop'),
        (0.01, 'iifname "node-2" numgen random mod 1000000 < 100 drop'),
        (100.0, 'iifname "node-2" drop'),
    ],
)
def test_loss_is_a_share_of_what_the_node_sends(percent: float, rule: str) -> None:
    lab = plan.grown(LAB, 2, primary="vm", link=Link(loss_percent=percent))
    assert drops(lab) == [rule]


def test_source_translation_is_for_the_labs_range_and_what_leaves_it() -> None:
    (line,) = [line for line in plan.rules(LAB, INSTANCE, primary="vm").splitlines() if "masquerade" in line]
    assert line.strip() == 'ip saddr 10.230.7.0/24 ip daddr != 10.230.7.0/24 oifname != "slipl1a2b3c4d" masquerade'


# --- state --------------------------------------------------------------------------------------------------------

links = st.builds(Link, st.floats(0, 60_000), st.floats(0, 100), st.integers(0, 10**11))
nodes = st.builds(
    Node,
    st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True),
    st.integers(2, 254),
    links,
    st.booleans(),
    st.lists(st.sampled_from([ALL, "vm", "node-9"]), unique=True).map(tuple),
)


@given(st.lists(nodes, unique_by=lambda node: node.name, max_size=5).map(tuple))
def test_the_state_survives_being_written(some: tuple[Node, ...]) -> None:
    lab = Lab(IPv4Network("10.230.7.0/24"), some)
    assert state.decode(state.encode(lab)) == lab


def test_a_broken_state_says_which_file(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    assert state.load(layout) is None
    state.save(layout, LAB)
    assert state.load(layout) == LAB
    (tmp_path / "lab" / "lab.json").write_text("{")
    with pytest.raises(LabError, match=r"lab\.json cannot be read"):
        state.load(layout)


def test_a_lab_node_shares_nothing_with_another(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    one, two = (state.places(layout, name) for name in ("node-2", "node-3"))
    for attribute in ("home", "namespace", "run_dir", "cgroup_parent", "id"):
        assert getattr(one, attribute) != getattr(two, attribute)
    assert one.run_dir != layout.run_dir


def test_the_agents_of_a_lab_are_those_that_should_run(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    (tmp_path / "pki").mkdir()
    layout.ca_certificate.write_text(pki.ensure(tmp_path / "other", hosts=[]).ca_certificate.read_text())
    lab = plan.grown(LAB, 3, primary="vm")
    state.save(layout, lab.with_node(replace(lab.find("node-2"), running=False)))
    (agent,) = processes.lab_agents(layout)
    assert agent.name == "agent@node-3"
    assert agent.command[:2] == ("nsenter", f"--net={state.places(layout, 'node-3').namespace}")
    assert "--token" not in agent.command
    assert address.ca_hash(layout.ca_certificate) in agent.command


def test_without_a_supervisor_a_command_says_so(tmp_path: Path) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path), "SLIPWAY_RUN_DIR": str(tmp_path / "run")})
    with pytest.raises(control.NotRunning, match="make up"):
        control.ask(layout, "list")
    assert not control.is_running(layout)


@pytest.mark.parametrize(
    ("hosts", "address_"),
    [("slipway.example, 10.0.0.1", "https://slipway.example:6443"), ("fd00::1", "https://[fd00::1]:6443")],
)
def test_the_address_to_join_at_is_the_first_host_given(hosts: str, address_: str) -> None:
    assert address.server(6443, {"SLIPWAY_HOSTS": hosts}) == address_


def test_a_chosen_range_that_nobody_uses_yet_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.from_environment({"SLIPWAY_HOME": str(tmp_path)})
    taken: list[Used] = []
    monkeypatch.setattr(devices.Devices, "used", lambda self, *, but: taken)
    first = network.settle(layout, environment={})
    taken += [Used(first.network, "other")]
    assert network.settle(layout, environment={}) == first
    moved = network.settle(layout, environment={}, may_move=True)
    assert moved.network != first.network
    state.save(layout, plan.grown(moved, 2, primary="vm"))
    taken += [Used(moved.network, "other")]
    assert network.settle(layout, environment={}, may_move=True).network == moved.network
    with pytest.raises(BadSetting, match="remove them first"):
        network.settle(layout, environment={"SLIPWAY_LAB_NETWORK": "10.99.0.0/24"})
