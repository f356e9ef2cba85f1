"""The addresses and node ports of services: what is asked for is checked, what is not asked for is chosen.

It runs inside the writer's transaction, under the lock of all writers; `claims` keeps what was given apart.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from django.conf import settings

from controlplane.store.claims import Claim, Claims
from controlplane.store.errors import Invalid
from schema import kinds
from schema.base import Wire

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

HEADLESS = "None"
KUBERNETES = ("default", "kubernetes")
"""The service of the API server; it has the first address of the range."""
POOL_CLASS = "slipway.dev/pool"
ADDRESSES_ANNOTATION = "slipway.dev/load-balancer-ips"
_TRIES = 32
_MOST_LISTED = 1 << 16


# Settings


@lru_cache(maxsize=8)
def service_networks(text: str) -> dict[str, Network]:
    """By family, the preferred one first. Raises ValueError."""
    networks = [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    return {f"IPv{network.version}": network for network in networks}


@lru_cache(maxsize=8)
def node_port_range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last) + 1)


@dataclass(frozen=True)
class Span:
    first: Address
    last: Address

    def __contains__(self, address: Address) -> bool:
        return address.version == self.first.version and int(self.first) <= int(address) <= int(self.last)

    def __iter__(self) -> Iterator[str]:
        kind = type(self.first)
        for number in range(int(self.first), int(self.last) + 1):
            yield str(kind(number))


@lru_cache(maxsize=8)
def pool(text: str) -> tuple[Span, ...]:
    """``192.168.1.240/29, 10.0.0.5-10.0.0.9, 10.1.1.1``. Raises ValueError."""
    return tuple(_span(part.strip()) for part in text.split(",") if part.strip())


def _span(text: str) -> Span:
    if "-" in text:
        first, _, last = text.partition("-")
        return Span(ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip()))
    network = ipaddress.ip_network(text, strict=False)
    return Span(network[0], network[-1])


# What a service shows


def claims(wire: Wire) -> dict[Claim, str]:
    spec = wire.get("spec") or {}
    found: dict[Claim, str] = {}
    for position, address in enumerate(spec.get("clusterIPs") or ()):
        if address != HEADLESS:
            found[Claim("IP", address)] = f"spec.clusterIPs[{position}]"
    for position, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort"):
            claim = Claim("node port", f"{port.get('protocol', 'TCP')}/{port['nodePort']}")
            found[claim] = f"spec.ports[{position}].nodePort"
    if spec.get("healthCheckNodePort"):
        found[Claim("node port", f"TCP/{spec['healthCheckNodePort']}")] = "spec.healthCheckNodePort"
    ingress = ((wire.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for position, each in enumerate(ingress):
        if each.get("ip") and in_pool(each["ip"]):
            found[Claim("load balancer IP", each["ip"])] = f"status.loadBalancer.ingress[{position}].ip"
    if ingress and not settings.LOAD_BALANCER_POOL and is_ours(spec):
        found |= node_address_ports(wire)
    return found


def node_address_ports(wire: Wire) -> dict[Claim, str]:
    """The ports that a LoadBalancer without a pool has at the addresses of the nodes."""
    return {
        Claim("load balancer port", f"{port.get('protocol', 'TCP')}/{port['port']}"): f"spec.ports[{position}].port"
        for position, port in enumerate((wire.get("spec") or {}).get("ports") or ())
    }


def in_pool(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return any(parsed in span for span in pool(settings.LOAD_BALANCER_POOL))


# What it is given


@dataclass
class _Giving:
    """One service being completed. What was chosen for it already is not chosen again."""

    claims: Claims
    name: str
    held: frozenset[Claim] = frozenset()
    chosen: set[Claim] = field(default_factory=set)

    def refuse(self, path: str, value: object, why: str) -> Invalid:
        return Invalid(why, kind=kinds.SERVICE, name=self.name, field=path, value=value)

    def choose(self, kind: str, candidates: Iterator[list[str]]) -> str | None:
        for some in candidates:
            for value in self.claims.free(kind, some):
                claim = Claim(kind, value)
                if claim not in self.chosen:
                    self.chosen.add(claim)
                    return value
        return None


def complete(held: Claims, wire: Wire, old: Wire | None) -> None:
    """Raises `Invalid` with the field that asks for what it cannot have."""
    spec = wire.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return
    giving = _Giving(held, wire["metadata"].get("name", ""), frozenset(claims(old)) if old else frozenset())
    _complete_addresses(giving, wire, spec)
    _complete_ports(giving, spec)
    _check_load_balancer(giving, wire, spec)


def _complete_addresses(giving: _Giving, wire: Wire, spec: Wire) -> None:
    networks = service_networks(settings.SERVICE_NETWORK)
    families = _families(giving, spec, networks)
    spec["ipFamilies"] = families
    given = (
        [spec["clusterIP"]] if spec.get("clusterIP") and not spec.get("clusterIPs") else spec.get("clusterIPs") or []
    )
    if HEADLESS in given:
        spec["clusterIP"], spec["clusterIPs"] = HEADLESS, [HEADLESS]
        return
    addresses = [str(ipaddress.ip_address(address)) for address in given][: len(families)]
    for position, address in enumerate(addresses):
        _check_address(giving, address, families[position], networks, f"spec.clusterIPs[{position}]")
    for family in families[len(addresses) :]:
        addresses.append(_choose_address(giving, wire, family, networks[family]))
    spec["clusterIPs"], spec["clusterIP"] = addresses, addresses[0]


def _families(giving: _Giving, spec: Wire, networks: dict[str, Network]) -> list[str]:
    """In order: what the service names, what its addresses are, what the cluster prefers."""
    named = list(spec.get("ipFamilies") or ())
    for position, address in enumerate(spec.get("clusterIPs") or ()):
        if address != HEADLESS and position >= len(named):
            named.append(f"IPv{ipaddress.ip_address(address).version}")
    policy = spec.get("ipFamilyPolicy") or ("RequireDualStack" if len(named) > 1 else "SingleStack")
    if policy == "SingleStack":
        named = named[:1]
    for position, family in enumerate(named):
        if family not in networks and spec.get("clusterIP") != HEADLESS:
            raise giving.refuse(f"spec.ipFamilies[{position}]", family, "not configured on this cluster")
    named = named or [next(iter(networks))]
    if policy != "SingleStack":
        named += [family for family in networks if family not in named]
    if policy == "RequireDualStack" and len(named) < 2:
        raise giving.refuse("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    spec["ipFamilyPolicy"] = policy
    return named


def _check_address(giving: _Giving, address: str, family: str, networks: dict[str, Network], path: str) -> None:
    if Claim("IP", address) in giving.held:  # a range that was changed since takes nothing from who has it
        return
    network, parsed = networks[family], ipaddress.ip_address(address)
    if parsed not in network or parsed == network[0] or (network.version == 4 and parsed == network[-1]):
        raise giving.refuse(
            path, address, f"provided IP is not in the valid range. The range of valid IPs is {network}"
        )


def _choose_address(giving: _Giving, wire: Wire, family: str, network: Network) -> str:
    metadata = wire["metadata"]
    if (metadata.get("namespace"), metadata.get("name")) == KUBERNETES:
        return str(network[1])
    # The first is kept for the API server; random, so that a client of a deleted service rarely meets another.
    first, last = 2, network.num_addresses - (2 if network.version == 4 else 1)
    found = giving.choose("IP", _candidates(first, last, lambda number: str(network[number])))
    if found is None:
        raise giving.refuse("spec.clusterIPs", [], f"no address of {network} is free")
    return found


def _complete_ports(giving: _Giving, spec: Wire) -> None:
    span = node_port_range(settings.NODE_PORT_RANGE)
    balanced = spec.get("type") == "LoadBalancer"
    wanted = spec.get("type") == "NodePort" or (balanced and spec.get("allocateLoadBalancerNodePorts", True))
    numbers: dict[str, set[int]] = {}
    for position, port in enumerate(spec.get("ports") or ()):
        if port.get("nodePort"):
            _check_port(giving, port["nodePort"], span, f"spec.ports[{position}].nodePort", port.get("protocol", "TCP"))
            giving.chosen.add(Claim("node port", f"{port.get('protocol', 'TCP')}/{port['nodePort']}"))
            numbers.setdefault(port.get("protocol", "TCP"), set()).add(port["nodePort"])
    for position, port in enumerate(spec.get("ports") or ()):
        if wanted and not port.get("nodePort"):
            port["nodePort"] = _choose_port(
                giving, port.get("protocol", "TCP"), span, f"spec.ports[{position}].nodePort"
            )
    if balanced and spec.get("externalTrafficPolicy") == "Local":
        if spec.get("healthCheckNodePort"):
            _check_port(giving, spec["healthCheckNodePort"], span, "spec.healthCheckNodePort", "TCP")
        else:
            spec["healthCheckNodePort"] = _choose_port(giving, "TCP", span, "spec.healthCheckNodePort")


def _check_port(giving: _Giving, port: int, span: range, path: str, protocol: str) -> None:
    if port not in span and Claim("node port", f"{protocol}/{port}") not in giving.held:
        why = f"provided port is not in the valid range. The range of valid ports is {span[0]}-{span[-1]}"
        raise giving.refuse(path, port, why)


def _choose_port(giving: _Giving, protocol: str, span: range, path: str) -> int:
    found = giving.choose("node port", _candidates(span[0], span[-1], lambda number: f"{protocol}/{number}"))
    if found is None:
        raise giving.refuse(path, 0, f"no {protocol} port of {span[0]}-{span[-1]} is free")
    return int(found.rpartition("/")[2])


def _candidates(first: int, last: int, word: Callable[[int], str]) -> Iterator[list[str]]:
    """Some at random; then, as long as that is bearable, all."""
    if last < first:
        return
    yield [word(random.randint(first, last)) for _ in range(_TRIES)]  # noqa: S311 - spreads, protects nothing
    if last - first < _MOST_LISTED:
        yield [word(number) for number in range(first, last + 1)]
    else:
        yield from ([word(random.randint(first, last)) for _ in range(_TRIES)] for _ in range(_TRIES))  # noqa: S311


# Load balancers


def asked_addresses(wire: Wire) -> dict[str, str]:
    """Addresses that a LoadBalancer asks for, each with the field that does."""
    found: dict[str, str] = {}
    spec = wire.get("spec") or {}
    if spec.get("loadBalancerIP"):
        found[spec["loadBalancerIP"]] = "spec.loadBalancerIP"
    text = (wire["metadata"].get("annotations") or {}).get(ADDRESSES_ANNOTATION) or ""
    for part in text.split(","):
        if part.strip():
            found[part.strip()] = f"metadata.annotations[{ADDRESSES_ANNOTATION}]"
    return found


def is_ours(spec: Wire) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") in (None, POOL_CLASS)


def _check_load_balancer(giving: _Giving, wire: Wire, spec: Wire) -> None:
    if not is_ours(spec):
        return
    spans = pool(settings.LOAD_BALANCER_POOL)
    for address, path in asked_addresses(wire).items():
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise giving.refuse(path, address, "must be an IP address") from None
        if spans and not any(parsed in span for span in spans):
            raise giving.refuse(
                path, address, f"the address is outside the pool of load balancers, {settings.LOAD_BALANCER_POOL}"
            )
        if not spans:
            why = "there is no pool of addresses for load balancers on this cluster (SLIPWAY_LOAD_BALANCER_POOL)"
            raise giving.refuse(path, address, why)
        holder = giving.claims.holder(Claim("load balancer IP", str(parsed)))
        if holder is not None and (holder.namespace, holder.name) != (
            wire["metadata"].get("namespace", ""),
            giving.name,
        ):
            raise giving.refuse(path, address, f"the address is already allocated to {holder}")
