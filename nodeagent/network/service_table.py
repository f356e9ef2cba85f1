"""The table of services without any: its maps and sets, and the chains that look into them. Pure.

One table of the family ``inet`` for both families of addresses, so that a change of a service of both is one transaction. Each
family has maps, sets and chains of its own (`families.Family.name`): a packet meets those of its own, which are as many as if
the other were not there.

    prerouting, output   a pod or the node itself asks a cluster address; else ``find``: everybody's addresses and ports
    postrouting          ``source``: whose source address must be translated
    refuse_*             what is to be refused at once: services without endpoints
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

from nodeagent.network.families import FAMILIES, V4, V6, Family

SERVICES, EXTERNAL, NODE_PORTS = "services", "external", "node_ports"
"""Addresses within the cluster, which only this node and its pods may ask; those for everybody; ports of the node."""
REFUSED, REFUSED_NODE_PORTS = "refused", "refused_node_ports"
HOST_PORTS, HOST_PORTS_EVERYWHERE = "host_ports", "host_ports_everywhere"
"""Published ports of pods: at one address of the node, or at all."""
REMOTE, HAIRPIN, BALANCED = "remote", "hairpin", "balanced"

Networks = Sequence[IPv4Network | IPv6Network]

_PLACE = "meta l4proto . th dport"


def base(table: str, *, bridge: str, pods: Networks, own: Networks, node_port_addresses: Networks) -> str:
    """The whole script, replacing what there was of the table. ``pods``: of the whole cluster; ``own``: of this node.
    ``node_port_addresses`` empty: all of the node's."""
    body: list[str] = ["set generation { type mark; }", *_chain("refuse", _REFUSE)]
    for family in FAMILIES:
        body += [_range("pods", family, pods), _range("own_pods", family, own), *_sets(family)]
        body += _chain(family.name("find"), _find(family, node_port_addresses))
        body += _chain(family.name("source"), _source(family))
    body += _translation(bridge) + _refusal(node_port_addresses)
    lines = "\n".join(f"  {line}" for line in body)
    return f"{remove(table)}table inet {table} {{\n{lines}\n}}\n"


def remove(table: str) -> str:
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"


_REFUSE = ("meta l4proto tcp reject with tcp reset", "reject with icmpx type port-unreachable")
_BY_FAMILY = "meta nfproto vmap {{ ipv4 : goto {0}, ipv6 : goto {0}6 }}"


def _chain(name: str, rules: Iterable[str], hook: str = "") -> list[str]:
    inner = [f"type {hook}; policy accept;"] if hook else []
    return [f"chain {name} {{", *(f"  {line}" for line in [*inner, *rules]), "}"]


def _range(name: str, family: Family, networks: Networks) -> str:
    ours = [str(each) for each in networks if each.version == family.version]
    members = f" elements = {{ {', '.join(ours)} }}" if ours else ""
    return f"set {family.name(name)} {{ type {family.type}; flags interval;{members} }}"


def _sets(family: Family) -> Iterator[str]:
    here, place = family.type, f"{family.type} . inet_proto . inet_service"
    for name in (SERVICES, EXTERNAL, REFUSED):
        yield f"map {family.name(name)} {{ type {place} : verdict; }}"
    for name in (NODE_PORTS, REFUSED_NODE_PORTS):
        yield f"map {family.name(name)} {{ type inet_proto . inet_service : verdict; }}"
    target = f"{here} . inet_service"
    yield f"map {family.name(HOST_PORTS)} {{ type {place} : {target}; }}"
    yield f"map {family.name(HOST_PORTS_EVERYWHERE)} {{ type inet_proto . inet_service : {target}; }}"
    yield f"set {family.name(REMOTE)} {{ type {place}; }}"
    yield f"set {family.name(HAIRPIN)} {{ type {here} . {here}; }}"
    yield f"set {family.name(BALANCED)} {{ type {here}; }}"


def _own(family: Family) -> str:
    """A match of local addresses at which the node's ports answer: none of the pool's, and not ::1."""
    own = f"{family.word} daddr != @{family.name(BALANCED)}"
    # What leaves ::1 the kernel does not let return by another device; 127.0.0.1 has route_localnet.
    return f"{own} ip6 daddr != ::1" if family is V6 else own


def _among(family: Family, allowed: Networks) -> str | None:
    """A match of the addresses at which node ports answer, empty for all; None where that is none of this family's."""
    ours = [str(each) for each in allowed if each.version == family.version]
    if ours:
        return f"{family.word} daddr {{ {', '.join(ours)} }} "
    return None if allowed else ""


def _find(family: Family, allowed: Networks) -> Iterator[str]:
    word = family.word
    yield f"{word} daddr . {_PLACE} vmap @{family.name(EXTERNAL)}"
    yield "fib daddr type != local return"  # asked once: it is a look into the routes
    yield f"dnat {word} to {word} daddr . {_PLACE} map @{family.name(HOST_PORTS)}"
    yield f"{_own(family)} dnat {word} to {_PLACE} map @{family.name(HOST_PORTS_EVERYWHERE)}"
    if (where := _among(family, allowed)) is not None:
        yield f"{_own(family)} {where}{_PLACE} vmap @{family.name(NODE_PORTS)}"


def _source(family: Family) -> Iterator[str]:
    word, remote = family.word, f"{family.word} daddr . {_PLACE} @{family.name(REMOTE)}"
    yield f'{word} saddr . {word} daddr @{family.name(HAIRPIN)} masquerade comment "a pod that reached itself"'
    if family is V4:  # to this node's own pods it is the other table's affair
        yield f"ip saddr 127.0.0.0/8 {remote} masquerade"
    yield f"{word} saddr @{family.name('own_pods')} accept"
    yield f'{remote} masquerade comment "by way of another node, which could not answer through us"'


def _translation(bridge: str) -> list[str]:
    within = [f"{each.word} daddr . {_PLACE} vmap @{each.name(SERVICES)}" for each in FAMILIES]
    find = _BY_FAMILY.format("find")
    return [
        *_chain(
            "prerouting",
            [*(f'iifname "{bridge}" {rule}' for rule in within), find],
            "nat hook prerouting priority dstnat - 5",
        ),
        *_chain("output", [*within, find], "nat hook output priority -105"),
        *_chain(
            "postrouting",
            ["ct status & dnat == 0 accept", _BY_FAMILY.format("source")],
            "nat hook postrouting priority srcnat - 5",
        ),
    ]


def _refusal(allowed: Networks) -> list[str]:
    refused = [f"{each.word} daddr . {_PLACE} vmap @{each.name(REFUSED)}" for each in FAMILIES]
    common = ["ct state != new accept", *refused]
    ports = [
        f"fib daddr type local {_own(each)} {where}{_PLACE} vmap @{each.name(REFUSED_NODE_PORTS)}"
        for each in FAMILIES
        if (where := _among(each, allowed)) is not None
    ]
    pool = [
        f"{each.word} daddr @{each.name(BALANCED)} iif != lo ct status & dnat == 0 meta l4proto {{ tcp, udp, sctp }} drop "
        'comment "an address of the pool is no address of this node\'s own listeners"'
        for each in (V4, V6)
    ]
    return [
        *_chain("refuse_forward", common, "filter hook forward priority filter - 5"),
        *_chain("refuse_output", [*common, *ports], "filter hook output priority filter - 5"),
        *_chain("refuse_input", [*common, *ports, *pool], "filter hook input priority filter - 5"),
    ]
