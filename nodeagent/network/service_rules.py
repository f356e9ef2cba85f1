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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from schema.base import Wire

_K = TypeVar("_K")
_V = TypeVar("_V")

HEADLESS = "None"
SERVICES, EXTERNAL, NODE_PORTS = "services", "external", "node_ports"
"""Addresses within the cluster, which only this node and its pods may ask; those for everybody; ports of the node."""
REFUSED, REFUSED_NODE_PORTS = "refused", "refused_node_ports"
REMOTE, HAIRPIN, BALANCED = "remote", "hairpin", "balanced"
_EXTERNAL_TYPES = ("NodePort", "LoadBalancer")

Name = tuple[str, str]
"""Namespace and name of a service."""
Element = tuple[str, str]
"""(map or set, key)"""


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


@dataclass(frozen=True)
class Place:
    """Where the program runs."""

    node: str
    zone: str = ""


@dataclass(frozen=True)
class UdpPort:
    """Where UDP clients may still be led to an endpoint that is gone: UDP has no end."""

    addresses: frozenset[str]
    """Of the service; empty for a node port: any."""
    port: int
    endpoints: frozenset[tuple[str, int]]


@dataclass
class Program:
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Rules by the name of their chain."""
    sets: dict[str, str] = field(default_factory=dict)
    """Definitions by name."""
    elements: dict[Element, str] = field(default_factory=dict)
    """Value by key; empty in a set."""
    udp: list[UdpPort] = field(default_factory=list)
    local_endpoints: int = 0
    health_port: int = 0
    announced: list[str] = field(default_factory=list)
    """Addresses that this node answers for on its segment."""


@dataclass
class State:
    """What a table holds of services."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    elements: dict[Element, str] = field(default_factory=dict)

    def update(self, delta: Delta) -> None:
        _change(self.chains, delta.chains)
        _change(self.sets, delta.sets)
        _change(self.elements, delta.elements)


def _change(ours: dict[_K, _V], theirs: Mapping[_K, _V | None]) -> None:
    for key, value in theirs.items():
        if value is None:
            ours.pop(key, None)
        else:
            ours[key] = value


def _replace(ours: dict[_K, _V], before: Mapping[_K, _V], after: Mapping[_K, _V]) -> None:
    for key in before.keys() - after.keys():
        del ours[key]
    ours.update(after)


@dataclass
class Delta:
    """New values; None for what goes."""

    chains: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    sets: dict[str, str | None] = field(default_factory=dict)
    elements: dict[Element, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.chains or self.sets or self.elements)


def delta(old: State, new: State, touched: Touched | None = None) -> Delta:
    """Among ``touched``, or all."""
    if touched is None:
        touched = Touched()
        touched.include(old)
        touched.include(new)
    return Delta(
        {key: new.chains.get(key) for key in touched.chains if old.chains.get(key) != new.chains.get(key)},
        {key: new.sets.get(key) for key in touched.sets if old.sets.get(key) != new.sets.get(key)},
        {key: new.elements.get(key) for key in touched.elements if old.elements.get(key) != new.elements.get(key)},
    )


# One service


def program(service: Wire, slices: Iterable[Wire], place: Place) -> Program:
    spec, made = service["spec"], Program()
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == HEADLESS:
        return made
    found = list(slices)
    locals_: set[str] = set()
    for port in spec.get("ports") or ():
        endpoints = list(endpoints_of(port, found, place))
        locals_ |= {each.address for each in chosen([one for one in endpoints if one.local])}
        _Port(service, port, endpoints, place, made).write()
    made.local_endpoints = len(locals_)
    if spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
        made.health_port = spec.get("healthCheckNodePort") or 0
    if (service["metadata"].get("annotations") or {}).get("slipway.dev/announced-by") == place.node:
        made.announced = [each for each in _ingress(service) if _is_4(each)]
    return made


def endpoints_of(port: Wire, slices: Iterable[Wire], place: Place) -> Iterator[Endpoint]:
    """The port's endpoints of all slices, each once."""
    seen: set[tuple[str, int]] = set()
    for one in slices:
        if one.get("addressType") != "IPv4":
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
            key = f"{each.address} . {self.protocol} . {each.port}"
            if each.local:
                self.into.elements[HAIRPIN, f"{each.address} . {each.address}"] = ""
            else:
                self.into.elements[REMOTE, key] = ""
        if self.protocol == "udp":
            self._udp(frozenset((each.address, each.port) for each in {*takers, *near}))

    def _has_local_policy(self) -> bool:
        return "Local" in (self.spec.get("internalTrafficPolicy"), self.spec.get("externalTrafficPolicy"))

    def _internal(self, everywhere: str | None, here: str | None) -> None:
        local = self.spec.get("internalTrafficPolicy") == "Local"
        for address in filter(_is_4, self.spec.get("clusterIPs") or ()):
            self._lead(SERVICES, REFUSED, f"{address} . {self.protocol} . {self.port['port']}", everywhere, here, local)

    def _lead(self, table: str, refused: str, key: str, everywhere: str | None, here: str | None, local: bool) -> None:
        """To a chain, to nowhere because nothing serves, or to nowhere because nothing does so here."""
        if everywhere is None:
            self.into.elements[refused, key] = "goto refuse"
        elif local:
            self.into.elements[table, key] = f"goto {here}" if here else "drop"
        else:
            self.into.elements[table, key] = f"goto {everywhere}"

    def _external(self, everywhere: str | None, here: str | None) -> None:
        outer = self._outer(everywhere, here)
        number = self.port["port"]
        ingress = [each for each in _ingress(self.service) if _is_4(each)]
        if self.spec.get("type") != "LoadBalancer":
            ingress = []
        for address in filter(_is_4, self.spec.get("externalIPs") or ()):
            self._lead(EXTERNAL, REFUSED, f"{address} . {self.protocol} . {number}", outer, None, local=False)
        guarded = self._guarded(outer) if ingress else outer
        for address in ingress:
            self._lead(EXTERNAL, REFUSED, f"{address} . {self.protocol} . {number}", guarded, None, local=False)
            self.into.elements[BALANCED, address] = ""
        if self.port.get("nodePort") and self.spec.get("type") in _EXTERNAL_TYPES:
            key = f"{self.protocol} . {self.port['nodePort']}"
            self._lead(NODE_PORTS, REFUSED_NODE_PORTS, key, outer, None, local=False)

    def _outer(self, everywhere: str | None, here: str | None) -> str | None:
        """The chain of external traffic. Pods and the node itself are internal, whichever address they ask."""
        reached_from_outside = self.spec.get("type") in _EXTERNAL_TYPES or self.spec.get("externalIPs")
        if everywhere is None or self.spec.get("externalTrafficPolicy") != "Local" or not reached_from_outside:
            return everywhere
        name = f"external/{self.name}"
        self.into.chains[name] = (
            f"ip saddr @pods goto {everywhere}",
            f"fib saddr type local goto {everywhere}",
            f"goto {here}" if here else "drop",
        )
        return name

    def _guarded(self, outer: str | None) -> str | None:
        """Behind loadBalancerSourceRanges."""
        ranges = [text.strip() for text in self.spec.get("loadBalancerSourceRanges") or () if _is_4(text)]
        if outer is None or not self.spec.get("loadBalancerSourceRanges"):
            return outer
        name = f"guard/{self.name}"
        networks = sorted({str(IPv4Network(text, strict=False)) for text in ranges})
        allowed = (f"ip saddr {{ {', '.join(_without_covered(networks))} }} goto {outer}",) if networks else ()
        self.into.chains[name] = (*allowed, f"fib saddr type local goto {outer}", "drop")
        return name

    def _choice(self, sort: str, takers: Sequence[Endpoint]) -> str | None:
        """The chain that chooses one of them at random, or the one that the client had before."""
        if not takers:
            return None
        name = f"{sort}/{self.name}"
        if self.spec.get("sessionAffinity") == "ClientIP":
            self.into.chains[name] = tuple(self._sticky(takers))
        else:
            self.into.chains[name] = (f"meta l4proto {self.protocol} dnat ip to {_one_of([str(e) for e in takers])}",)
        return name

    def _sticky(self, takers: Sequence[Endpoint]) -> Iterator[str]:
        """A set of clients for each endpoint, refreshed by each new connection."""
        config = ((self.spec.get("sessionAffinityConfig") or {}).get("clientIP")) or {}
        seconds = config.get("timeoutSeconds") or 10800
        names = [f"endpoint/{self.name}/{each.address}.{each.port}" for each in takers]
        for name, each in zip(names, takers, strict=True):
            clients = name.replace("endpoint/", "clients/", 1)
            self.into.sets[clients] = f"type ipv4_addr; size 65535; flags dynamic,timeout; timeout {seconds}s;"
            self.into.chains[name] = (
                f"update @{clients} {{ ip saddr }}",
                f"meta l4proto {self.protocol} dnat ip to {each.address}:{each.port}",
            )
            yield f"ip saddr @{clients} goto {name}"
        if len(names) == 1:
            yield f"goto {names[0]}"
        else:
            choices = ", ".join(f"{number} : goto {name}" for number, name in enumerate(names))
            yield f"numgen random mod {len(names)} vmap {{ {choices} }}"

    def _udp(self, endpoints: frozenset[tuple[str, int]]) -> None:
        addresses = {each for each in self.spec.get("clusterIPs") or () if _is_4(each)}
        addresses |= {each for each in [*(self.spec.get("externalIPs") or ()), *_ingress(self.service)] if _is_4(each)}
        self.into.udp.append(UdpPort(frozenset(addresses), self.port["port"], endpoints))
        if self.port.get("nodePort"):
            self.into.udp.append(UdpPort(frozenset(), self.port["nodePort"], endpoints))


def _one_of(targets: Sequence[str]) -> str:
    if len(targets) == 1:
        return targets[0].replace(" . ", ":")
    return f"numgen random mod {len(targets)} map {{ {', '.join(f'{i} : {each}' for i, each in enumerate(targets))} }}"


def _ingress(service: Wire) -> list[str]:
    found: list[str] = (service.get("status") or {}).get("ingress") or []
    return found


def _is_4(text: str) -> bool:
    return text != HEADLESS and ":" not in text


def _without_covered(networks: Sequence[str]) -> list[str]:
    """nft refuses intervals that overlap."""
    parsed = [IPv4Network(each) for each in networks]
    return [str(each) for each in parsed if not any(each != other and each.subnet_of(other) for other in parsed)]


# All services


@dataclass
class Touched:
    """Names of what may be another now."""

    chains: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    elements: set[Element] = field(default_factory=set)

    def include(self, other: Program | State) -> None:
        self.chains |= other.chains.keys()
        self.sets |= other.sets.keys()
        self.elements |= other.elements.keys()


class Wanted:
    """All programs together. A change of one service costs what that service has, not what all have.

    Where two services claim one key (an external address with a port), the first by name has it.
    """

    def __init__(self) -> None:
        self.programs: dict[Name, Program] = {}
        self.state = State()
        self.touched = Touched()
        self._owners: dict[Element, Name] = {}

    def put(self, name: Name, program: Program | None) -> Program:
        """``program`` None: the service is gone. Returns what it was before."""
        before, after = self.programs.pop(name, Program()), program or Program()
        if program is not None:
            self.programs[name] = program
        for one in (before, after):
            self.touched.include(one)
        _replace(self.state.chains, before.chains, after.chains)
        _replace(self.state.sets, before.sets, after.sets)
        for element in before.elements.keys() - after.elements.keys():
            self._give_up(name, element)
        for element, value in after.elements.items():
            if self._owners.get(element, name) >= name:
                self._owners[element] = name
                self.state.elements[element] = value
        return before

    def _give_up(self, name: Name, element: Element) -> None:
        if self._owners.get(element) != name:
            return
        heir = min((other for other, one in self.programs.items() if element in one.elements), default=None)
        if heir is None:
            del self._owners[element], self.state.elements[element]
        else:
            self._owners[element] = heir
            self.state.elements[element] = self.programs[heir].elements[element]


# Scripts


def base(
    table: str,
    *,
    bridge: str,
    pods: Sequence[IPv4Network | IPv6Network],
    node_port_addresses: Sequence[IPv4Network | IPv6Network],
) -> str:
    """The table without services, replacing what there was of it. ``node_port_addresses`` empty: all of the node's."""
    where = "fib daddr type local ip daddr != @balanced"
    if node_port_addresses:
        where += f" ip daddr {{ {', '.join(map(str, node_port_addresses))} }}"
    find = f"""\
    ip daddr . meta l4proto . th dport vmap @{EXTERNAL}
    {where} meta l4proto . th dport vmap @{NODE_PORTS}"""
    refuse = f"""\
    ct state != new accept
    ip daddr . meta l4proto . th dport vmap @{REFUSED}"""
    return f"""\
table ip {table} {{ }}
delete table ip {table}
table ip {table} {{
  set generation {{ type mark; }}
  set pods {{ type ipv4_addr; flags interval; elements = {{ {", ".join(map(str, pods))} }} }}
  map {SERVICES} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map {EXTERNAL} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map {NODE_PORTS} {{ type inet_proto . inet_service : verdict; }}
  map {REFUSED} {{ type ipv4_addr . inet_proto . inet_service : verdict; }}
  map {REFUSED_NODE_PORTS} {{ type inet_proto . inet_service : verdict; }}
  set {REMOTE} {{ type ipv4_addr . inet_proto . inet_service; }}
  set {HAIRPIN} {{ type ipv4_addr . ipv4_addr; }}
  set {BALANCED} {{ type ipv4_addr; }}
  chain refuse {{
    meta l4proto tcp reject with tcp reset
    reject with icmp type port-unreachable
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat - 5; policy accept;
    iifname "{bridge}" ip daddr . meta l4proto . th dport vmap @{SERVICES}
{find}
  }}
  chain output {{
    type nat hook output priority -105; policy accept;
    ip daddr . meta l4proto . th dport vmap @{SERVICES}
{find}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat - 5; policy accept;
    ct status & dnat == 0 accept
    ip saddr . ip daddr @{HAIRPIN} masquerade comment "a pod that reached itself"
    ip saddr 127.0.0.0/8 ip daddr . meta l4proto . th dport @{REMOTE} masquerade
    ip saddr @pods accept
    ip daddr . meta l4proto . th dport @{REMOTE} masquerade comment "a client from outside, by way of another node"
  }}
  chain refuse_forward {{
    type filter hook forward priority filter - 5; policy accept;
{refuse}
  }}
  chain refuse_output {{
    type filter hook output priority filter - 5; policy accept;
{refuse}
    {where} meta l4proto . th dport vmap @{REFUSED_NODE_PORTS}
  }}
  chain refuse_input {{
    type filter hook input priority filter - 5; policy accept;
{refuse}
    {where} meta l4proto . th dport vmap @{REFUSED_NODE_PORTS}
    ip daddr @{BALANCED} iif != lo ct status & dnat == 0 meta l4proto {{ tcp, udp, sctp }} drop \
comment "an address of the pool is no address of this node's own listeners"
  }}
}}
"""


def remove(table: str) -> str:
    return f"table ip {table} {{ }}\ndelete table ip {table}\n"


def script(table: str, old: State, change: Delta, *, generation: int) -> str:
    """Makes ``change`` in a table that holds ``old``. What refers goes before what is referred to, and comes after it."""
    gone = sorted(name for name, rules in change.chains.items() if rules is None)
    lines = [
        f"add set ip {table} {name} {{ {definition} }}"
        for name, definition in change.sets.items()
        if definition is not None
    ]
    lines += [f"add chain ip {table} {name}" for name in change.chains.keys() - old.chains.keys() - set(gone)]
    lines += [f"flush chain ip {table} {name}" for name in change.chains.keys() & old.chains.keys()]
    for name, rules in change.chains.items():
        lines += [f"add rule ip {table} {name} {rule}" for rule in rules or ()]
    lines += _element_lines(table, old.elements, change.elements)
    lines += [f"delete chain ip {table} {name}" for name in gone]
    lines += [f"delete set ip {table} {name}" for name, definition in change.sets.items() if definition is None]
    lines += [f"flush set ip {table} generation", f"add element ip {table} generation {{ {generation:#x} }}"]
    return "\n".join(lines) + "\n"


def _element_lines(table: str, old: Mapping[Element, str], change: Mapping[Element, str | None]) -> Iterator[str]:
    gone: dict[str, list[str]] = {}
    come: dict[str, list[str]] = {}
    for (where, key), value in change.items():
        if (where, key) in old:
            gone.setdefault(where, []).append(key)
        if value is not None:
            come.setdefault(where, []).append(f"{key} : {value}" if value else key)
    for where, keys in gone.items():
        yield f"delete element ip {table} {where} {{ {', '.join(keys)} }}"
    for where, keys in come.items():
        yield f"add element ip {table} {where} {{ {', '.join(keys)} }}"
