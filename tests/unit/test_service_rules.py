"""What a service contributes to the kernel's table, and how one state becomes the next."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.network import conntrack, service_rules, service_state, service_table
from nodeagent.network.service_memory import Memory, Remembered
from nodeagent.network.service_rules import Endpoint, Place
from nodeagent.network.service_state import Delta, Program, State, Touched, UdpPort, Wanted

HERE = Place("here", "a")


def service(name: str = "web", status: Any = None, annotations: Any = None, **spec: Any) -> Any:
    ports = [{"name": "", "protocol": "TCP", "port": 80}]
    whole = {"type": "ClusterIP", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": ports, **spec}
    metadata = {"namespace": "default", "name": name, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": whole, "status": status or {}}


def slices(*endpoints: Any, protocol: str = "TCP", name: str = "") -> list[Any]:
    ports = [{"name": name, "protocol": protocol, "port": 8080}]
    return [{"addressType": "IPv4", "ports": ports, "endpoints": list(endpoints)}]


def at(address: str, node: str = "here", **conditions: bool) -> Any:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def program(service: Any, *endpoints: Any) -> Program:
    return service_rules.program(service, slices(*endpoints), HERE)


@pytest.mark.parametrize(
    ("endpoints", "takers"),
    [
        ([], []),
        ([Endpoint("a", 1, True)], ["a"]),
        ([Endpoint("a", 1, True, ready=False, serving=False)], []),
        ([Endpoint("a", 1, True, ready=False, serving=True)], ["a"]),
        ([Endpoint("a", 1, True, ready=False, serving=True), Endpoint("b", 1, False)], ["b"]),
    ],
)
def test_who_takes_new_connections(endpoints, takers):
    assert [each.address for each in service_rules.chosen(endpoints)] == takers


@pytest.mark.parametrize(
    ("distribution", "endpoints", "preferred"),
    [
        ("", [("near", True, "a"), ("far", False, "b")], ["far", "near"]),
        ("PreferSameNode", [("near", True, "a"), ("far", False, "a")], ["near"]),
        ("PreferSameNode", [("zone", False, "a"), ("far", False, "b")], ["zone"]),
        ("PreferSameZone", [("near", True, "a"), ("zone", False, "a"), ("far", False, "b")], ["near", "zone"]),
        ("PreferClose", [("far", False, "b")], ["far"]),
    ],
)
def test_which_are_preferred(distribution, endpoints, preferred):
    found = [Endpoint(name, 1, local, zone) for name, local, zone in endpoints]
    assert [each.address for each in service_rules.preferred(found, distribution, HERE)] == preferred


def test_headless_and_external_names_contribute_nothing():
    for made in (service(clusterIP="None", clusterIPs=["None"]), service(type="ExternalName")):
        assert program(made, at("10.244.0.2")) == Program()


def test_a_port_is_one_element_and_one_chain():
    found = program(service(), at("10.244.0.2"), at("10.244.1.2", "there"))
    assert found.elements["services", "10.96.0.9 . tcp . 80"] == "goto cluster/default/web/80.tcp"
    assert found.chains == {
        "cluster/default/web/80.tcp": (
            "meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.244.0.2 . 8080, 1 : 10.244.1.2 . 8080 }",
        )
    }
    assert ("hairpin", "10.244.0.2 . 10.244.0.2") in found.elements
    assert ("remote", "10.244.1.2 . tcp . 8080") in found.elements


def test_ports_are_found_by_name():
    ports = [{"name": "a", "protocol": "TCP", "port": 80}, {"name": "b", "protocol": "TCP", "port": 81}]
    found = service_rules.program(service(ports=ports), slices(at("10.244.0.2"), name="b"), HERE)
    assert ("refused", "10.96.0.9 . tcp . 80") in found.elements
    assert ("services", "10.96.0.9 . tcp . 81") in found.elements


@pytest.mark.parametrize(
    ("spec", "endpoints", "element", "value"),
    [
        ({}, [], ("refused", "10.96.0.9 . tcp . 80"), "goto refuse"),
        ({"internalTrafficPolicy": "Local"}, [at("10.244.1.2", "there")], ("services", "10.96.0.9 . tcp . 80"), "drop"),
        (
            {"internalTrafficPolicy": "Local"},
            [at("10.244.0.2"), at("10.244.1.2", "there")],
            ("services", "10.96.0.9 . tcp . 80"),
            "goto local/default/web/80.tcp",
        ),
        (
            {"externalIPs": ["198.51.100.7"]},
            [at("10.244.0.2")],
            ("external", "198.51.100.7 . tcp . 80"),
            "goto unless-external/default/web/80.tcp",
        ),
    ],
)
def test_where_a_key_leads(spec, endpoints, element, value):
    assert program(service(**spec), *endpoints).elements[element] == value


def test_outside_clients_with_a_local_policy_go_nowhere_without_a_local_endpoint():
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    found = program(service(type="NodePort", ports=ports, externalTrafficPolicy="Local"), at("10.244.1.2", "there"))
    assert found.elements["node_ports", "tcp . 30080"] == "goto external/default/web/80.tcp"
    assert found.chains["external/default/web/80.tcp"][-1] == "drop"
    assert found.local_endpoints == 0


def test_source_ranges_guard_the_balancer_and_nothing_else():
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    balanced = service(
        type="LoadBalancer",
        ports=ports,
        status={"ingress": ["192.0.2.200"]},
        annotations={"slipway.dev/announced-by": "there"},
        loadBalancerSourceRanges=["198.51.100.0/24", "198.51.100.7/32", " 203.0.113.0/24"],
    )
    found = program(balanced, at("10.244.0.2"))
    assert found.elements["external", "192.0.2.200 . tcp . 80"] == "goto guard/default/web/80.tcp"
    allowed, _, last = found.chains["guard/default/web/80.tcp"]
    assert allowed.startswith("ip saddr { 198.51.100.0/24, 203.0.113.0/24 } goto ")
    assert last == "drop"
    assert found.elements["node_ports", "tcp . 30080"] == "goto cluster/default/web/80.tcp"


def test_only_the_announcing_node_announces():
    for node, announced in (("here", ["192.0.2.200"]), ("there", [])):
        balanced = service(
            type="LoadBalancer",
            status={"ingress": ["192.0.2.200"]},
            annotations={"slipway.dev/announced-by": node},
        )
        assert program(balanced, at("10.244.0.2")).announced == announced


def test_an_address_of_the_pool_is_the_services_alone_and_one_of_a_node_is_not():
    for marks, balanced in (({"slipway.dev/announced-by": "there"}, True), ({}, False)):
        made = service(type="LoadBalancer", status={"ingress": ["192.0.2.200"]}, annotations=marks)
        found = program(made, at("10.244.0.2"))
        assert (("balanced", "192.0.2.200") in found.elements) is balanced
        assert ("unless-balanced/default/web/80.tcp" in found.chains) is not balanced


@pytest.mark.parametrize(
    ("addresses", "slice_families", "services"),
    [
        (["10.96.0.9", "fd96::9"], ["IPv4", "IPv6"], {"services", "services6"}),
        (["fd96::9"], ["IPv4", "IPv6"], {"services6"}),
        (["10.96.0.9", "fd96::9"], ["IPv6"], {"refused", "services6"}),
    ],
)
def test_each_family_has_its_own_endpoints(addresses, slice_families, services):
    both = {"IPv4": at("10.244.0.2"), "IPv6": at("fd77::2")}
    found = [{**slices(both[each])[0], "addressType": each} for each in slice_families]
    made = service_rules.program(service(clusterIPs=addresses), found, HERE)
    assert {where for where, _ in made.elements} - {"hairpin", "hairpin6"} == services
    if "services6" in services:
        assert "dnat ip6 to [fd77::2]:8080" in made.chains["cluster6/default/web/80.tcp"][0]


# From state to state

_ADDRESSES = [f"10.244.0.{n}" for n in range(2, 6)]
_programs = st.builds(
    lambda addresses, external, sticky: program(
        service(
            externalIPs=external,
            sessionAffinity="ClientIP" if sticky else "None",
        ),
        *(at(each) for each in addresses),
    ),
    st.lists(st.sampled_from(_ADDRESSES), unique=True),
    st.lists(st.sampled_from(["198.51.100.1", "198.51.100.2"]), unique=True),
    st.booleans(),
)
_steps = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.none() | _programs), max_size=8)


def _renamed(program: Program, name: str) -> Program:
    """Chains and sets carry their service's name; elements (addresses) may be claimed by several."""
    swap = lambda text: text.replace("default/web", f"default/{name}")  # noqa: E731
    return Program(
        {swap(key): tuple(map(swap, rules)) for key, rules in program.chains.items()},
        {swap(key): value for key, value in program.sets.items()},
        {key: swap(value) for key, value in program.elements.items()},
    )


@given(_steps)
def test_changes_one_by_one_lead_to_what_is_wanted(steps):
    wanted, kernel = Wanted(), State()
    for name, program in steps:
        wanted.put(("default", name), _renamed(program, name) if program else None)
        kernel.update(service_state.delta(kernel, wanted.state, wanted.touched))
        wanted.touched = Touched()
    assert kernel == wanted.state
    again = Wanted()
    for name, program in wanted.programs.items():
        again.put(name, program)
    assert again.state == wanted.state, "whatever the order, the first by name has what several claim"


def test_no_change_is_no_script():
    wanted = Wanted()
    wanted.put(("default", "web"), program(service(), at("10.244.0.2")))
    assert not service_state.delta(wanted.state, wanted.state)


def test_a_chain_is_gone_only_after_what_refers_to_it():
    old = State({"c": ("drop",)}, {}, {("services", "k"): "goto c"})
    lines = service_state.script("t", old, service_state.delta(old, State()), generation=1).splitlines()
    assert lines.index("delete element inet t services { k }") < lines.index("delete chain inet t c")


def test_what_is_remembered_is_what_was_programmed(tmp_path):
    memory, state = Memory(tmp_path), State({"c": ("drop",)}, {"s": "type mark;"}, {("services", "k"): "goto c"})
    memory.save(Remembered("base", 1, state, frozenset({"192.0.2.1"})))
    change = Delta({"c": None, "d": ("accept",)}, {"s": None}, {("services", "k"): None, ("hairpin", "h"): ""})
    memory.append(2, change)
    state.update(change)
    assert Memory(tmp_path).load() == Remembered("base", 2, state, frozenset({"192.0.2.1"}))
    with (tmp_path / "services.log").open("ab") as log:
        log.write(b'{"generation": 3, "chai')
    found = Memory(tmp_path).load()
    assert found is not None
    assert found.generation == 2


@pytest.mark.parametrize(
    ("addresses", "address", "number", "led_to", "stale"),
    [
        ({"10.96.0.9"}, "10.96.0.9", 53, ("10.244.0.2", 53), False),
        ({"10.96.0.9"}, "10.96.0.9", 53, ("10.244.0.3", 53), True),
        ({"10.96.0.9"}, "10.96.0.9", 53, ("10.96.0.9", 53), True),
        ({"10.96.0.9"}, "192.0.2.7", 53, ("192.0.2.7", 53), False),
        ({"10.96.0.9"}, "10.96.0.9", 54, ("10.244.0.3", 54), False),
        (set(), "192.0.2.7", 53, ("10.244.0.3", 53), True),
        (set(), "192.0.2.7", 53, ("192.0.2.7", 53), False),
    ],
)
def test_which_flows_are_stale(addresses, address, number, led_to, stale):
    port = UdpPort(frozenset(addresses), 53, frozenset({("10.244.0.2", 53)}))
    assert conntrack.is_stale(port, address=address, number=number, led_to=led_to) is stale


def test_node_ports_are_limited_to_the_addresses_asked_for():
    allowed = [IPv4Network("127.0.0.0/8")]
    text = service_table.base("t", bridge="b", pods=[IPv4Network("10.244.0.0/16")], own=[], node_port_addresses=allowed)
    assert "ip daddr { 127.0.0.0/8 } meta l4proto . th dport vmap @node_ports" in text
