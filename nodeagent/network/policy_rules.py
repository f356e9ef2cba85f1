"""What network policies and isolated namespaces come to on this node. Pure.

`compile_rules` makes of the cluster's pods, namespaces and policies what this node has to enforce: egress of its own pods and
ingress of its own pods, so that a connection is checked on both ends. Peers are sets of addresses; each policy is a chain of
rules that accept, and pods with the same policies share a chain that asks them all and then drops (`policy_table` leads there).

What comes from the node itself to its own pods is not asked for, so probes always get through; what pods send to the node
passes but for DNS, which counts as the pod ``kube-system/k8s-app=kube-dns``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import collapse_addresses, ip_network

from nodeagent.network.policy_program import ADDRESS, FAMILY, Address, Cluster, NamedPort, Place, Pod, Program, Set
from schema.base import Wire
from schema.selectors import LabelSelector

INGRESS, EGRESS = "Ingress", "Egress"
DNS_NAMESPACE, DNS_LABELS = "kube-system", {"k8s-app": "kube-dns"}
ISOLATION_LABEL = "slipway.dev/isolation"
_PROTOCOLS = ("TCP", "UDP", "SCTP")


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
            family = FAMILY[version]
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
            yield f"{FAMILY[version]} daddr . meta l4proto . th dport @{self._named(names, reached, version)} "

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
        kind = f"{ADDRESS[version]} . inet_proto . inet_service"
        name = f"ports_{_hash(*sorted(map(str, names)), *sorted(elements))}_{version}"
        self._done.sets[name] = Set(kind, elements)
        return name

    def _addresses(self, name: str, pods: Iterable[Pod], version: int) -> str:
        elements = frozenset(str(each) for pod in pods for each in pod.addresses if each.version == version)
        self._done.sets[f"{name}_{version}"] = Set(ADDRESS[version], elements)
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
            self._done.sets[f"pods_{version}"] = Set(ADDRESS[version], frozenset(map(str, merged)), interval=True)
            self._done.sets[f"nodes_{version}"] = Set(ADDRESS[version], nodes)
        for namespace in sorted(isolated):
            own = [pod for (place, _), pods in self._alike.items() if place == namespace for pod in pods]
            local = [address for pod in own if pod.local for address in pod.addresses]
            if local:
                self._wall(namespace, own, local)

    def _wall(self, namespace: str, own: Sequence[Pod], local: Sequence[Address]) -> None:
        chain = f"wall_{namespace}"
        lines = []
        for version in (4, 6):
            name, family = self._addresses(f"own_{namespace}", own, version), FAMILY[version]
            for near, far in (("saddr", "daddr"), ("daddr", "saddr")):
                lines += [
                    f"{family} {near} @{name} {family} {far} @{name} return",
                    f"{family} {near} @{name} {family} {far} @nodes_{version} return",
                    f"{family} {near} @{name} {family} {far} @pods_{version} drop",
                ]
        self._done.chains[chain] = tuple(dict.fromkeys(lines))
        for address in local:
            self._done.maps[f"walls{address.version}"][str(address)] = chain


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
        match = f"{FAMILY[version]} {side} {whole} "
        parts = [ip_network(each, strict=False) for each in block.get("except") or ()]
        if parts:
            merged = ", ".join(map(str, collapse_addresses(parts)))  # type: ignore[type-var] # of one version
            match += f"{FAMILY[version]} {side} != {{ {merged} }} "
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
