"""The nftables program of services. Pure.

Each service port is a key of a map, whose value is the chain that chooses an endpoint: a packet costs one lookup in each of
three maps however many services there are, and it meets no rule of another service. What one service contributes is a
`Program`: chains, sets and elements by name. What differs (`Delta`) is one `script` for ``nft -f``, a transaction that
touches nothing else.

Who answers: ready endpoints; where none is ready, those that are being ended but still serve. Internal traffic (pods, the
node itself) and external traffic have a policy each; with Local, an external client is led to pods of this node only and is
dropped where there are none. A service without endpoints is refused, by the filter chains: address translation cannot.

Sources: a pod's address is never translated, except where it reaches itself. A client from outside is translated only where
its packet goes on to another node, which could not answer through us otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nodeagent.network.families import FAMILIES, Family
from nodeagent.network.service_state import Program, UdpPort
from nodeagent.network.service_table import (
    BALANCED,
    EXTERNAL,
    HAIRPIN,
    NODE_PORTS,
    REFUSED,
    REFUSED_NODE_PORTS,
    REMOTE,
    SERVICES,
)
from schema import ranges
from schema.base import Wire
from schema.ranges import Range

HEADLESS = "None"
ANNOUNCED_BY = "slipway.dev/announced-by"
_LISTENED = "fib daddr type local fib saddr type != local socket wildcard { 0, 1 }"
_EXTERNAL_TYPES = ("NodePort", "LoadBalancer")


@dataclass(frozen=True)
class Endpoint:
    address: str
    port: int
    local: bool
    """On this node."""
    zone: str = ""
    ready: bool = True
    serving: bool = True

    def __str__(self) -> str:
        return f"{self.address} . {self.port}"

    @property
    def target(self) -> str:
        """As the target of a translation."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Place:
    """Where the program runs."""

    node: str
    zone: str = ""


# One service


def program(service: Wire, slices: Iterable[Wire], place: Place) -> Program:
    spec, made = service["spec"], Program()
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == HEADLESS:
        return made
    found = list(slices)
    for family in families_of(service):
        locals_: set[str] = set()
        for port in spec.get("ports") or ():
            endpoints = list(endpoints_of(port, found, place, family))
            locals_ |= {each.address for each in chosen([one for one in endpoints if one.local])}
            _Port(service, port, endpoints, place, family, made).write()
        made.local_endpoints = max(made.local_endpoints, len(locals_))  # a pod of both families is one
    if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
        made.health_port = spec.get("healthCheckNodePort") or 0
    if _announcer(service) == place.node:
        made.announced = _ingress(service)
    return made


def families_of(service: Wire) -> list[Family]:
    """Those of its addresses: ``ipFamilies`` says the same of what the control plane has stored."""
    addresses: list[str] = service["spec"].get("clusterIPs") or []
    return [family for family in FAMILIES if any(family.has(each) for each in addresses)]


def endpoints_of(port: Wire, slices: Iterable[Wire], place: Place, family: Family) -> Iterator[Endpoint]:
    """The port's endpoints of all slices of the family, each once."""
    seen: set[tuple[str, int]] = set()
    for one in slices:
        if one.get("addressType") != family.kind:
            continue
        for each in one.get("ports") or ():
            same = (each.get("name") or "") == port.get("name", "")
            if not (same and (each.get("protocol") or "TCP") == port.get("protocol", "TCP") and each.get("port")):
                continue
            for endpoint in one.get("endpoints") or ():
                key = (endpoint["addresses"][0], each["port"])
                if key not in seen:
                    seen.add(key)
                    yield _endpoint(endpoint, each["port"], place)


def _endpoint(wire: Wire, port: int, place: Place) -> Endpoint:
    conditions = wire.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        address=wire["addresses"][0],
        port=port,
        local=wire.get("nodeName") == place.node,
        zone=wire.get("zone") or "",
        ready=ready,
        serving=ready if serving is None else bool(serving),
    )


def chosen(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Those that take new connections."""
    ready = [each for each in endpoints if each.ready]
    return sorted(ready or [each for each in endpoints if each.serving], key=str)


def preferred(endpoints: Sequence[Endpoint], distribution: str, place: Place) -> list[Endpoint]:
    """Of those that take new connections, the near ones, if there are any and they are preferred."""
    takers = chosen(endpoints)
    near: list[Endpoint] = []
    if distribution == "PreferSameNode":
        near = [each for each in takers if each.local]
    if distribution in ("PreferSameNode", "PreferSameZone", "PreferClose") and not near and place.zone:
        near = [each for each in takers if each.zone == place.zone]
    return near or takers


@dataclass(frozen=True)
class _Port:
    service: Wire
    port: Wire
    endpoints: list[Endpoint]
    place: Place
    family: Family
    into: Program

    @property
    def spec(self) -> Wire:
        spec: Wire = self.service["spec"]
        return spec

    @property
    def protocol(self) -> str:
        return str(self.port.get("protocol", "TCP")).lower()

    @property
    def name(self) -> str:
        metadata = self.service["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}/{self.port['port']}.{self.protocol}"

    def write(self) -> None:
        takers = preferred(self.endpoints, self.spec.get("trafficDistribution") or "", self.place)
        near = chosen([each for each in self.endpoints if each.local])
        everywhere = self._choice("cluster", takers)
        here = self._choice("local", near) if self._has_local_policy() else None
        self._internal(everywhere, here)
        self._external(everywhere, here)
        for each in {*takers, *near}:
            if each.local:
                self._enter(HAIRPIN, f"{each.address} . {each.address}", "")
            else:
                self._enter(REMOTE, f"{each.address} . {self.protocol} . {each.port}", "")
        if self.protocol == "udp":
            self._udp(frozenset((each.address, each.port) for each in {*takers, *near}))

    def _enter(self, table: str, key: str, value: str) -> None:
        self.into.elements[self.family.name(table), key] = value

    def _chain(self, sort: str, rest: str = "") -> str:
        return f"{self.family.name(sort)}/{self.name}{rest}"

    def _ours(self, addresses: Iterable[str]) -> list[str]:
        """Those of the family."""
        return [each for each in addresses if each != HEADLESS and self.family.has(each)]

    def _has_local_policy(self) -> bool:
        return "Local" in (self.spec.get("internalTrafficPolicy"), self.spec.get("externalTrafficPolicy"))

    def _internal(self, everywhere: str | None, here: str | None) -> None:
        local = self.spec.get("internalTrafficPolicy") == "Local"
        for address in self._ours(self.spec.get("clusterIPs") or ()):
            self._lead(SERVICES, REFUSED, f"{address} . {self.protocol} . {self.port['port']}", everywhere, here, local)

    def _lead(self, table: str, refused: str, key: str, everywhere: str | None, here: str | None, local: bool) -> None:
        """To a chain, to nowhere because nothing serves, or to nowhere because nothing does so here."""
        if everywhere is None:
            self._enter(refused, key, "goto refuse")
        elif local:
            self._enter(table, key, f"goto {here}" if here else "drop")
        else:
            self._enter(table, key, f"goto {everywhere}")

    def _external(self, everywhere: str | None, here: str | None) -> None:
        outer = self._outer(everywhere, here)
        number = self.port["port"]
        ingress = self._ours(_ingress(self.service)) if self.spec.get("type") == "LoadBalancer" else []
        external = self._ours(self.spec.get("externalIPs") or ())
        behind = self._behind_listeners("external", outer) if external else None
        for address in external:
            self._lead(EXTERNAL, REFUSED, f"{address} . {self.protocol} . {number}", behind, None, local=False)
        guarded = self._guarded(outer) if ingress else outer
        pooled = _announcer(self.service) is not None
        balanced = guarded if pooled or not ingress else self._behind_listeners("balanced", guarded)
        for address in ingress:
            self._lead(EXTERNAL, REFUSED, f"{address} . {self.protocol} . {number}", balanced, None, local=False)
            if pooled:
                self._enter(BALANCED, address, "")
        if self.port.get("nodePort") and self.spec.get("type") in _EXTERNAL_TYPES:
            key = f"{self.protocol} . {self.port['nodePort']}"
            self._lead(NODE_PORTS, REFUSED_NODE_PORTS, key, outer, None, local=False)

    def _outer(self, everywhere: str | None, here: str | None) -> str | None:
        """The chain of external traffic. Pods and the node itself are internal, whichever address they ask."""
        reached_from_outside = self.spec.get("type") in _EXTERNAL_TYPES or self.spec.get("externalIPs")
        if everywhere is None or self.spec.get("externalTrafficPolicy") != "Local" or not reached_from_outside:
            return everywhere
        name = self._chain("external")
        self.into.chains[name] = (
            f"{self.family.word} saddr @{self.family.name('pods')} goto {everywhere}",
            f"fib saddr type local goto {everywhere}",
            f"goto {here}" if here else "drop",
        )
        return name

    def _behind_listeners(self, sort: str, outer: str | None) -> str | None:
        """Where the address is the node's own: a process of the node that listens there goes before the service. The kernel
        is asked for its socket, packet by packet, so there is no moment at which it is wrong. What the node itself sends has
        a socket already, its own, and is led to the service."""
        if outer is None:
            return None
        name = self._chain(f"unless-{sort}")
        self.into.chains[name] = (f"{_LISTENED} accept", f"goto {outer}")
        return name

    def _guarded(self, outer: str | None) -> str | None:
        """Behind loadBalancerSourceRanges."""
        asked = [text.strip() for text in self.spec.get("loadBalancerSourceRanges") or ()]
        if outer is None or not asked:
            return outer
        name = self._chain("guard")
        allowed = _without_covered([self.family.network(text) for text in asked if self.family.has(text)])
        rules = [f"{self.family.word} saddr {{ {', '.join(allowed)} }} goto {outer}"] if allowed else []
        self.into.chains[name] = (*rules, f"fib saddr type local goto {outer}", "drop")
        return name

    def _choice(self, sort: str, takers: Sequence[Endpoint]) -> str | None:
        """The chain that chooses one of them at random, or the one that the client had before."""
        if not takers:
            return None
        name = self._chain(sort)
        if self.spec.get("sessionAffinity") == "ClientIP":
            self.into.chains[name] = tuple(self._sticky(takers))
        else:
            self.into.chains[name] = (self._lead_to(_one_of(takers)),)
        return name

    def _lead_to(self, target: str) -> str:
        return f"meta l4proto {self.protocol} dnat {self.family.word} to {target}"

    def _sticky(self, takers: Sequence[Endpoint]) -> Iterator[str]:
        """A set of clients for each endpoint, refreshed by each new connection."""
        config = ((self.spec.get("sessionAffinityConfig") or {}).get("clientIP")) or {}
        seconds, word = config.get("timeoutSeconds") or 10800, self.family.word
        names = []
        for each in takers:
            rest = f"/{each.address.replace(':', '-')}.{each.port}"  # a colon ends a name of nft
            name, clients = self._chain("endpoint", rest), self._chain("clients", rest)
            names.append(name)
            self.into.sets[clients] = f"type {self.family.type}; size 65535; flags dynamic,timeout; timeout {seconds}s;"
            self.into.chains[name] = (f"update @{clients} {{ {word} saddr }}", self._lead_to(each.target))
            yield f"{word} saddr @{clients} goto {name}"
        if len(names) == 1:
            yield f"goto {names[0]}"
        else:
            choices = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
            yield f"numgen random mod {len(names)} vmap {{ {choices} }}"

    def _udp(self, endpoints: frozenset[tuple[str, int]]) -> None:
        everywhere = [*(self.spec.get("externalIPs") or ()), *_ingress(self.service)]
        addresses = frozenset(self._ours([*(self.spec.get("clusterIPs") or ()), *everywhere]))
        self.into.udp.append(UdpPort(addresses, self.port["port"], endpoints, self.family.version))
        if self.port.get("nodePort"):
            self.into.udp.append(UdpPort(frozenset(), self.port["nodePort"], endpoints, self.family.version))


def _one_of(takers: Sequence[Endpoint]) -> str:
    if len(takers) == 1:
        return takers[0].target
    return f"numgen random mod {len(takers)} map {{ {', '.join(f'{i} : {each}' for i, each in enumerate(takers))} }}"


def _ingress(service: Wire) -> list[str]:
    found: list[str] = (service.get("status") or {}).get("ingress") or []
    return found


def _announcer(service: Wire) -> str | None:
    """The node that answers for its addresses, where they are of the pool."""
    return (service["metadata"].get("annotations") or {}).get(ANNOUNCED_BY)


def _without_covered(networks: Sequence[Range]) -> list[str]:
    """nft refuses intervals that overlap."""
    once = sorted(set(networks), key=str)
    return [str(each) for each in once if not any(each != other and ranges.contains(other, each) for other in once)]
