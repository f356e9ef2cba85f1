"""The nftables program of network policies and of isolated namespaces. Pure.

`compile_rules` makes of the cluster's pods, namespaces and policies what this node has to enforce: egress of its own pods and
ingress of its own pods, so that a connection is checked on both ends. `whole` is that as a table, `difference` one script, a
transaction, that turns one into another.

A packet is looked up once by its source and once by its destination in a map of the pods that some policy selects; that
leads to a chain with the policies of that pod. Peers are sets of addresses. All stands in the forward hook, after services
have been resolved to pods, because pods reach even their neighbours through the node (`namespaces`). Replies and what the
kernel relates to a connection pass; the side that opened it is held to the policies as they are now.

What comes from the node itself to its own pods never passes the forward hook, so probes always get through; what pods send to
the node passes but for DNS, which counts as the pod ``kube-system/k8s-app=kube-dns``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network

from schema.base import Wire
from schema.selectors import LabelSelector

INGRESS, EGRESS = "Ingress", "Egress"
DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
ISOLATION_LABEL = "slipway.dev/isolation"
_ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
_FAMILY = {4: "ip", 6: "ip6"}
_PROTOCOLS = ("TCP", "UDP", "SCTP")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class NamedPort:
    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: frozenset[tuple[str, str]]
    addresses: tuple[Address, ...]
    local: bool = False
    """On this node."""
    ports: tuple[NamedPort, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """What there is."""

    pods: Sequence[Pod]
    namespaces: Mapping[str, Mapping[str, str]]
    """Their labels."""
    policies: Sequence[Wire]
    ranges: Sequence[Network] = ()
    """Of pods, on all nodes."""


@dataclass(frozen=True)
class Place:
    """Where the rules stand."""

    bridge: str
    dns: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Set:
    type: str
    elements: frozenset[str] = frozenset()
    interval: bool = False


@dataclass
class Program:
    sets: dict[str, Set] = field(default_factory=dict)
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    """From an address to the chain that it goes to."""
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)


# --- from policies to rules --------------------------------------------------------------------------------------


def compile_rules(cluster: Cluster, place: Place) -> Program:
    return _Compiler(cluster, place).program()


class _Compiler:
    def __init__(self, cluster: Cluster, place: Place) -> None:
        self._cluster = cluster
        self._place = place
        self._done = Program()
        dns = Pod(
            DNS_NAMESPACE,
            frozenset(DNS_LABELS.items()),
            place.dns,
            ports=(NamedPort("dns", "UDP", 53), NamedPort("dns-tcp", "TCP", 53)),
        )
        # Pods of one template have the same labels: selectors are asked once for all of them.
        self._alike: defaultdict[tuple[str, frozenset[tuple[str, str]]], list[Pod]] = defaultdict(list)
        for pod in [*cluster.pods, dns]:
            self._alike[pod.namespace, pod.labels].append(pod)

    def program(self) -> Program:
        self._done.maps = {f"{word}{version}": {} for word in ("ingress", "egress", "walls") for version in (4, 6)}
        chosen: dict[tuple[str, Pod], list[str]] = defaultdict(list)
        for policy in sorted(self._cluster.policies, key=_key):
            self._policy(policy, chosen)
        for (direction, pod), chains in chosen.items():
            self._isolate(direction, pod, tuple(chains))
        self._walls()
        return self._done

    def _policy(self, policy: Wire, chosen: dict[tuple[str, Pod], list[str]]) -> None:
        spec, namespace = policy.get("spec") or {}, policy["metadata"]["namespace"]
        local = [pod for pod in self._select(spec.get("podSelector") or {}, [namespace]) if pod.local]
        if not local:
            return
        for direction in policy_types(spec):
            chain = _name("in" if direction == INGRESS else "out", policy)
            rules = spec.get(direction.lower()) or ()
            lines = [line for rule in rules for line in self._rule(direction, namespace, rule, local)]
            self._done.chains[chain] = tuple(lines)
            for pod in local:
                chosen[direction, pod].append(chain)

    def _isolate(self, direction: str, pod: Pod, chains: tuple[str, ...]) -> None:
        """What none of the chains accepts is dropped. Pods with the same policies share the chain of them."""
        together = f"{direction.lower()}_{_hash(*chains)}"
        self._done.chains[together] = (*(f"jump {chain}" for chain in chains), "drop")
        for address in pod.addresses:
            self._done.maps[f"{direction.lower()}{address.version}"][str(address)] = together

    def _rule(self, direction: str, namespace: str, rule: Wire, selected: Sequence[Pod]) -> Iterator[str]:
        peers = rule.get("from" if direction == INGRESS else "to") or []
        side = "saddr" if direction == INGRESS else "daddr"
        pods = [pod for peer in peers if "ipBlock" not in peer for pod in self._peer(peer, namespace)]
        reached = (
            selected
            if direction == INGRESS
            else pods
            if peers
            else [pod for each in self._alike.values() for pod in each]
        )
        ports = rule.get("ports") or []
        for version in (4, 6):
            family = _FAMILY[version]
            matches = [""] if not peers else [*_blocks(peers, side, version)]
            if any("ipBlock" not in peer for peer in peers):
                name = self._addresses(f"peers_{_hash(namespace, json.dumps(peers, sort_keys=True))}", pods, version)
                matches.insert(0, f"{family} {side} @{name} ")
            for match in matches:
                own = match or f"meta nfproto ipv{version} "
                for port in self._ports(ports, reached, version):
                    yield f"{own}{port}accept"

    def _ports(self, ports: Sequence[Wire], reached: Sequence[Pod], version: int) -> Iterator[str]:
        if not ports:
            yield ""
            return
        for protocol in _PROTOCOLS:
            of_protocol = [port for port in ports if (port.get("protocol") or "TCP") == protocol]
            if any(port.get("port") is None for port in of_protocol):
                yield f"meta l4proto {protocol.lower()} "
                continue
            numbers = [
                (port["port"], port.get("endPort") or port["port"])
                for port in of_protocol
                if isinstance(port["port"], int)
            ]
            if numbers:
                yield f"{protocol.lower()} dport {{ {', '.join(_merged(numbers))} }} "
        names = {(port["port"], port.get("protocol") or "TCP") for port in ports if isinstance(port.get("port"), str)}
        if names:
            yield f"{_FAMILY[version]} daddr . meta l4proto . th dport @{self._named(names, reached, version)} "

    def _named(self, names: set[tuple[str, str]], reached: Iterable[Pod], version: int) -> str:
        """A set of the places where pods have ports of these names."""
        elements = frozenset(
            f"{address} . {port.protocol.lower()} . {port.number}"
            for pod in reached
            for port in pod.ports
            if (port.name, port.protocol) in names
            for address in pod.addresses
            if address.version == version
        )
        kind = f"{_ADDRESS[version]} . inet_proto . inet_service"
        name = f"ports_{_hash(*sorted(map(str, names)), *sorted(elements))}_{version}"
        self._done.sets[name] = Set(kind, elements)
        return name

    def _addresses(self, name: str, pods: Iterable[Pod], version: int) -> str:
        elements = frozenset(str(each) for pod in pods for each in pod.addresses if each.version == version)
        self._done.sets[f"{name}_{version}"] = Set(_ADDRESS[version], elements)
        return f"{name}_{version}"

    # --- selectors -----------------------------------------------------------------------------------------------

    def _peer(self, peer: Wire, namespace: str) -> Iterator[Pod]:
        among = [namespace]
        if "namespaceSelector" in peer:
            selector = LabelSelector.from_object(peer["namespaceSelector"] or {})
            among = [name for name, labels in self._cluster.namespaces.items() if selector.matches(labels)]
        return self._select(peer.get("podSelector") or {}, among)

    def _select(self, selector: Wire, namespaces: Iterable[str]) -> Iterator[Pod]:
        wanted, among = LabelSelector.from_object(selector), set(namespaces)
        for (namespace, labels), pods in self._alike.items():
            if namespace in among and wanted.matches(dict(labels)):
                yield from pods

    # --- namespaces that keep to themselves ----------------------------------------------------------------------

    def _walls(self) -> None:
        isolated = {
            name for name, labels in self._cluster.namespaces.items() if labels.get(ISOLATION_LABEL) == "namespace"
        }
        if not isolated:
            return
        for version in (4, 6):
            ranges = [each for each in self._cluster.ranges if each.version == version]
            merged = collapse_addresses(ranges)  # type: ignore[type-var] # of one version
            # The first two of a range are the node's own: its tunnel's and its bridge's.
            nodes = frozenset(str(each[n]) for each in ranges for n in (0, 1))
            self._done.sets[f"pods_{version}"] = Set(_ADDRESS[version], frozenset(map(str, merged)), interval=True)
            self._done.sets[f"nodes_{version}"] = Set(_ADDRESS[version], nodes)
        for namespace in sorted(isolated):
            own = [pod for (place, _), pods in self._alike.items() if place == namespace for pod in pods]
            local = [address for pod in own if pod.local for address in pod.addresses]
            if local:
                self._wall(namespace, own, local)

    def _wall(self, namespace: str, own: Sequence[Pod], local: Sequence[Address]) -> None:
        chain = f"wall_{namespace}"
        lines = []
        for version in (4, 6):
            name, family = self._addresses(f"own_{namespace}", own, version), _FAMILY[version]
            for near, far in (("saddr", "daddr"), ("daddr", "saddr")):
                lines += [
                    f"{family} {near} @{name} {family} {far} @{name} return",
                    f"{family} {near} @{name} {family} {far} @nodes_{version} return",
                    f"{family} {near} @{name} {family} {far} @pods_{version} drop",
                ]
        self._done.chains[chain] = tuple(dict.fromkeys(lines))
        for address in local:
            self._done.maps[f"walls{address.version}"][str(address)] = chain


def concerned(program: Program) -> set[str]:
    """The addresses that have rules, of either direction."""
    return {address for entries in program.maps.values() for address in entries}


def policy_types(spec: Wire) -> list[str]:
    given = spec.get("policyTypes") or [INGRESS, *([EGRESS] if spec.get("egress") else [])]
    return [direction for direction in (INGRESS, EGRESS) if direction in given]


def _blocks(peers: Iterable[Wire], side: str, version: int) -> Iterator[str]:
    for peer in peers:
        block = peer.get("ipBlock")
        if block is None:
            continue
        whole = ip_network(block["cidr"], strict=False)
        if whole.version != version:
            continue
        match = f"{_FAMILY[version]} {side} {whole} "
        parts = [ip_network(each, strict=False) for each in block.get("except") or ()]
        if parts:
            merged = ", ".join(map(str, collapse_addresses(parts)))  # type: ignore[type-var] # of one version
            match += f"{_FAMILY[version]} {side} != {{ {merged} }} "
        yield match


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Without overlaps, which nft refuses in a set."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return (str(first) if first == last else f"{first}-{last}" for first, last in merged)


def _key(policy: Wire) -> tuple[str, str]:
    return policy["metadata"]["namespace"], policy["metadata"]["name"]


def _name(word: str, policy: Wire) -> str:
    """Readable in ``nft list``, and short enough for the kernel."""
    namespace, name = _key(policy)
    return f"{word}_{namespace}_{name}"[:90] + f"_{_hash(namespace, name)[:8]}"


def _hash(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


# --- as text -----------------------------------------------------------------------------------------------------


def whole(table: str, program: Program, place: Place) -> str:
    """The table anew, in one transaction with the removal of what was there."""
    parts = [f"table inet {table} {{ }}", f"delete table inet {table}", f"table inet {table} {{"]
    parts += [_declaration(name, each) for name, each in sorted(program.sets.items())]
    parts += [f"  chain {name} {{ }}" for name in sorted(program.chains)]
    parts += [f"  map {name} {{ type {_ADDRESS[int(name[-1])]} : verdict; }}" for name in sorted(program.maps)]
    parts += [*_base_chains(place, program).values(), "}"]
    return "\n".join([*parts, *_fill(table, Program(), program)]) + "\n"


_SIDES = [(version, _FAMILY[version], side) for version in (4, 6) for side in ("saddr", "daddr")]


def _base_chains(place: Place, program: Program) -> dict[str, str]:
    """By name, those that packets meet: only what has rules costs them anything."""
    wanted = {name[:-1] for name, entries in program.maps.items() if entries}
    chains = {}
    if "walls" in wanted:
        looks = [f"{family} {side} vmap @walls{version}" for version, family, side in _SIDES]
        chains["namespaces"] = _forward("namespaces", 1, looks)
    if "egress" in wanted:
        chains["egress"] = _forward("egress", 2, ["ip saddr vmap @egress4", "ip6 saddr vmap @egress6"])
        chains["egress_to_dns"] = _to_dns(place)
    if "ingress" in wanted:
        chains["ingress"] = _forward("ingress", 3, ["ip daddr vmap @ingress4", "ip6 daddr vmap @ingress6"])
    return chains


def _forward(name: str, order: int, rules: Iterable[str]) -> str:
    lines = "".join(f"    {rule}\n" for rule in ("ct state related accept", "ct direction reply accept", *rules))
    return f"  chain {name} {{\n    type filter hook forward priority filter + {order}; policy accept;\n{lines}  }}"


def _to_dns(place: Place) -> str:
    dns = "".join(
        f'    iifname "{place.bridge}" {_FAMILY[at.version]} daddr {at} meta l4proto {{ tcp, udp }} th dport 53 '
        f"{_FAMILY[at.version]} saddr vmap @egress{at.version}\n"
        for at in place.dns
    )
    hook = "type filter hook input priority filter + 2; policy accept;"
    return f"  chain egress_to_dns {{\n    {hook}\n{dns}  }}"


def difference(table: str, old: Program, new: Program, place: Place) -> str:
    """A script that makes ``new`` of ``old``; empty where they are alike. Changes of ``place`` need `whole`."""
    changed = [name for name, rules in new.chains.items() if name not in old.chains or old.chains[name] != rules]
    gone = [name for name in old.chains if name not in new.chains]
    lines = [
        f"add set inet {table} {name} {_set_text(each)}" for name, each in new.sets.items() if name not in old.sets
    ]
    lines += [f"add chain inet {table} {name}" for name in changed if name not in old.chains]
    lines += _fill(table, old, new)
    lines += _hooked(table, _base_chains(place, old), _base_chains(place, new))
    lines += [f"flush chain inet {table} {name}" for name in gone]
    lines += [f"delete chain inet {table} {name}" for name in gone]
    lines += [f"delete set inet {table} {name}" for name in old.sets if name not in new.sets]
    return "".join(f"{line}\n" for line in lines)


def _hooked(table: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in old.keys() - new.keys():
        yield f"flush chain inet {table} {name}\ndelete chain inet {table} {name}"
    for name in new.keys() - old.keys():
        yield f"table inet {table} {{\n{new[name]}\n}}"


def _fill(table: str, old: Program, new: Program) -> Iterator[str]:
    """The content of sets, chains and maps, where chains and sets themselves are there."""
    for name, each in new.sets.items():
        before = old.sets[name].elements if name in old.sets else frozenset()
        yield from _elements("delete", table, name, before - each.elements)
        yield from _elements("add", table, name, each.elements - before)
    for name, rules in new.chains.items():
        if old.chains.get(name) == rules:
            continue
        if name in old.chains:
            yield f"flush chain inet {table} {name}"
        for rule in rules:
            yield f"add rule inet {table} {name} {rule}"
    for name, entries in new.maps.items():
        yield from _map_changes(table, name, old.maps.get(name, {}), entries)


def _map_changes(table: str, name: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    word = "jump" if name.startswith("walls") else "goto"
    gone = [f"{key} : {word} {chain}" for key, chain in before.items() if now.get(key) != chain]
    come = [f"{key} : {word} {chain}" for key, chain in now.items() if before.get(key) != chain]
    yield from _elements("delete", table, name, gone)
    yield from _elements("add", table, name, come)


def _elements(command: str, table: str, name: str, elements: Iterable[str]) -> Iterator[str]:
    listed = ", ".join(sorted(elements))
    if listed:
        yield f"{command} element inet {table} {name} {{ {listed} }}"


def _declaration(name: str, each: Set) -> str:
    return f"  set {name} {_set_text(each)}"


def _set_text(each: Set) -> str:
    return f"{{ type {each.type}; {'flags interval; ' if each.interval else ''}}}"


def remove(table: str) -> str:
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"
