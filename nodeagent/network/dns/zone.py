"""What the cluster's names mean: the Kubernetes DNS-based service discovery specification, version 1.1.0. Pure.

The records of a service are worked out from it and its EndpointSlices whenever one of them changes; those of all others stay.
Names are text in lower case without the last dot. A name that has no records but others below it exists: it answers with no
data rather than NXDOMAIN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Protocol

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import RdataType

from nodeagent.keys import Key

if TYPE_CHECKING:
    from schema.base import Wire  # not when it runs: this room lives in a process that is to be small

TTL_SECONDS = 5
VERSION = "1.1.0"
SERVICE_NAME_LABEL = "kubernetes.io/service-name"
KINDS = frozenset({"EndpointSlice", "Namespace", "Node", "Pod", "Service"})

Rdata = Any
"""dnspython's, which has no narrower type for what `from_text` returns."""
Record = tuple[str, RdataType, Rdata]
Address = IPv4Address | IPv6Address


class View(Protocol):
    """The objects that names are made of, by namespace and name."""

    def all(self, kind: str) -> Mapping[tuple[str, str], Wire]: ...

    def get(self, kind: str, namespace: str, name: str) -> Wire | None: ...


@dataclass
class Found:
    """What is to be said about a question."""

    exists: bool = True
    answers: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)
    negative: Record | None = None
    """The SOA record that says how long to believe that there is nothing."""
    elsewhere: str = ""
    """An alias leads to this name, which is not ours: its records are to be asked for and added."""


class Zone:
    def __init__(self, domain: str = "cluster.local", *, addresses: Sequence[str] = ()) -> None:
        """``addresses``: where this server answers."""
        self.domain = domain.lower().strip(".")
        self._suffix = f".{self.domain}"
        self._records: dict[str, dict[RdataType, Counter[Rdata]]] = {}
        self._names: Counter[str] = Counter()
        """How many records and names stand at or below each name."""
        self._held: dict[object, list[Record | str]] = {}
        """By source, what it has brought in: records, and names without any."""
        self._pods: Counter[tuple[str, Address]] = Counter()
        self._pods_of: dict[tuple[str, str], list[tuple[str, Address]]] = {}
        self._slices: dict[tuple[str, str], set[str]] = {}
        """Names of a service's slices."""
        self._service_of: dict[tuple[str, str], str] = {}
        self._reverse: frozenset[str] = frozenset()
        """The reverse zones in which only we know anything."""
        self._serial = 1
        self._hold("self", self._own_records(addresses))

    def _own_records(self, addresses: Sequence[str]) -> Iterator[Record | str]:
        yield f"dns-version{self._suffix}", RdataType.TXT, _rdata(RdataType.TXT, f'"{VERSION}"')
        server = f"ns.dns{self._suffix}"
        yield self.domain, RdataType.NS, _rdata(RdataType.NS, f"{server}.")
        for address in addresses:
            yield _address_record(server, ip_address(address))
        yield f"svc{self._suffix}"
        yield f"pod{self._suffix}"

    # --- following the cluster -----------------------------------------------------------------------------------

    def apply(self, view: View, changed: Iterable[Key]) -> None:
        services: set[tuple[str, str]] = set()
        for key in changed:
            match key.kind:
                case "Service":
                    services.add((key.namespace, key.name))
                case "EndpointSlice":
                    services |= self._note_slice(key, view.get(*key))
                case "Namespace":
                    self._note_namespace(key.name, view.get(*key))
                case "Pod":
                    self._note_pod(key, view.get(*key))
        self._reverse = frozenset(zone for node in view.all("Node").values() for zone in _reverse_zones(node))
        for namespace, name in services:
            self._note_service(view, namespace, name)
        self._serial += 1

    def _note_slice(self, key: Key, wire: Wire | None) -> set[tuple[str, str]]:
        """The services that it belonged to before and belongs to now."""
        labels = (wire or {}).get("metadata", {}).get("labels") or {}
        place = key.namespace, key.name
        before, now = self._service_of.pop(place, ""), labels.get(SERVICE_NAME_LABEL, "")
        if before:
            self._slices[key.namespace, before].discard(key.name)
        if now:
            self._service_of[place] = now
            self._slices.setdefault((key.namespace, now), set()).add(key.name)
        return {(key.namespace, name) for name in (before, now) if name}

    def _note_namespace(self, name: str, wire: Wire | None) -> None:
        names = [f"{name}.svc{self._suffix}", f"{name}.pod{self._suffix}"] if wire else []
        self._hold(("Namespace", name), names)

    def _note_pod(self, key: Key, wire: Wire | None) -> None:
        place = key.namespace, key.name
        for each in self._pods_of.pop(place, []):
            self._pods[each] -= 1
            if not self._pods[each]:
                del self._pods[each]
        addresses = (wire or {}).get("status", {}).get("podIPs") or []
        if addresses:
            self._pods_of[place] = [(key.namespace, ip_address(each["ip"])) for each in addresses]
            self._pods.update(self._pods_of[place])

    def _note_service(self, view: View, namespace: str, name: str) -> None:
        service = view.get("Service", namespace, name)
        names = sorted(self._slices.get((namespace, name), ()))
        slices = [wire for each in names if (wire := view.get("EndpointSlice", namespace, each))]
        records = list(_service_records(service, slices, self.domain)) if service else []
        self._hold(("Service", namespace, name), records)

    def _hold(self, source: object, entries: Iterable[Record | str]) -> None:
        """Put in place of what the source has brought before."""
        entries = list(entries)
        for entry in entries:
            self._count(entry, 1)
        for entry in self._held.pop(source, ()):
            self._count(entry, -1)
        if entries:
            self._held[source] = entries

    def _count(self, entry: Record | str, step: int) -> None:
        name = entry if isinstance(entry, str) else entry[0]
        for each in _with_parents(name):
            self._names[each] += step
            if not self._names[each]:
                del self._names[each]
        if isinstance(entry, str):
            return
        types = self._records.setdefault(name, {})
        rdatas = types.setdefault(entry[1], Counter())
        rdatas[entry[2]] += step
        if not rdatas[entry[2]]:
            del rdatas[entry[2]]
            if not rdatas:
                del types[entry[1]]
            if not types:
                del self._records[name]

    # --- answering -----------------------------------------------------------------------------------------------

    def is_ours(self, name: str) -> bool:
        return (
            name == self.domain
            or name.endswith(self._suffix)
            or (name.endswith(".arpa") and (name in self._records or self._reverse_zone(name) is not None))
        )

    def _reverse_zone(self, name: str) -> str | None:
        return next((each for each in _with_parents(name) if each in self._reverse), None)

    def find(self, name: str, kind: RdataType) -> Found:
        """About a name that `is_ours`."""
        found = Found()
        for _ in range(8):  # aliases of aliases; a circle of them ends
            records = self._records_of(name, kind)
            found.answers += records
            alias = next((rdata for _, at, rdata in records if at == RdataType.CNAME), None)
            if alias is None or kind in (RdataType.CNAME, RdataType.ANY):
                break
            name = alias.target.to_text(omit_final_dot=True).lower()
            if not self.is_ours(name):
                found.elsewhere = name
                break
        if not found.answers or (not found.elsewhere and found.answers[-1][1] == RdataType.CNAME != kind):
            found.exists = self._exists(name)
            found.negative = self.soa(name)
        if kind == RdataType.SRV:
            targets = dict.fromkeys(rdata.target.to_text(omit_final_dot=True).lower() for _, _, rdata in found.answers)
            for target in targets:
                found.additional += self._records_of(target, RdataType.A) + self._records_of(target, RdataType.AAAA)
        return found

    def _records_of(self, name: str, kind: RdataType) -> list[Record]:
        if name == self.domain and kind == RdataType.SOA:
            return [self.soa(name)]
        types = self._records.get(name)
        if types is None:
            return self._pod_records(name, kind)
        if kind == RdataType.ANY:  # RFC 8482: one of them is enough
            kind = next(iter(types))
        elif kind not in types and RdataType.CNAME in types:
            kind = RdataType.CNAME
        return [(name, kind, rdata) for rdata in types.get(kind, ())]

    def _pod_records(self, name: str, kind: RdataType) -> list[Record]:
        address = self._pod_address(name)
        if address is None:
            return []
        record = _address_record(name, address)
        return [record] if kind in (record[1], RdataType.ANY) else []

    def _pod_address(self, name: str) -> Address | None:
        """``10-244-0-7.<namespace>.pod.<domain>``, of a pod that there is."""
        words = name.removesuffix(f".pod{self._suffix}").split(".")
        if not name.endswith(f".pod{self._suffix}") or len(words) != 2:
            return None
        for separator in (".", ":"):
            try:
                address = ip_address(words[0].replace("-", separator))
            except ValueError:
                continue
            return address if self._pods.get((words[1], address), 0) > 0 else None
        return None

    def _exists(self, name: str) -> bool:
        return name in self._names or name in self._reverse or self._pod_address(name) is not None

    def soa(self, name: str) -> Record:
        apex = self.domain
        if name.endswith(".arpa"):
            apex = self._reverse_zone(name) or name
        text = f"ns.dns.{self.domain}. hostmaster.{self.domain}. {self._serial} 7200 1800 86400 {TTL_SECONDS}"
        return apex, RdataType.SOA, _rdata(RdataType.SOA, text)


# --- services ----------------------------------------------------------------------------------------------------


def _service_records(service: Wire, slices: Sequence[Wire], domain: str) -> Iterator[Record | str]:
    spec, metadata = service.get("spec") or {}, service["metadata"]
    name = f"{metadata['name']}.{metadata['namespace']}.svc.{domain}".lower()
    if spec.get("type") == "ExternalName":
        if spec.get("externalName"):
            yield name, RdataType.CNAME, _rdata(RdataType.CNAME, f"{spec['externalName'].rstrip('.')}.")
    elif spec.get("clusterIP") == "None":
        yield name
        yield from _headless_records(name, slices, unready=bool(spec.get("publishNotReadyAddresses")))
    elif spec.get("clusterIP"):
        for text in spec.get("clusterIPs") or [spec["clusterIP"]]:
            address = ip_address(text)
            yield _address_record(name, address)
            yield _pointer(address, name)
        for port in spec.get("ports") or ():
            if port.get("name"):
                yield _service_port(name, port, number=port["port"], target=name)


def _headless_records(name: str, slices: Sequence[Wire], *, unready: bool) -> Iterator[Record]:
    # An endpoint may stand in several slices (one per set of ports), and a record is there once.
    records: dict[Record, None] = {}
    for wire in slices:
        if wire.get("addressType") not in ("IPv4", "IPv6"):
            continue
        for endpoint in wire.get("endpoints") or ():
            if unready or (endpoint.get("conditions") or {}).get("ready") is not False:
                records |= dict.fromkeys(_endpoint_records(name, wire, endpoint))
    yield from records


def _endpoint_records(name: str, wire: Wire, endpoint: Wire) -> Iterator[Record]:
    address = ip_address(endpoint["addresses"][0])
    own = f"{endpoint.get('hostname') or _dashed(address)}.{name}".lower()
    yield _address_record(name, address)
    yield _address_record(own, address)
    yield _pointer(address, own)
    for port in wire.get("ports") or ():
        if port.get("name") and port.get("port"):
            yield _service_port(name, port, number=port["port"], target=own)


def _service_port(name: str, port: Mapping[str, Any], *, number: int, target: str) -> Record:
    label = f"_{port['name']}._{(port.get('protocol') or 'TCP')}.{name}".lower()
    return label, RdataType.SRV, _rdata(RdataType.SRV, f"0 100 {number} {target}.")


def _address_record(name: str, address: Address) -> Record:
    kind = RdataType.A if address.version == 4 else RdataType.AAAA
    return name, kind, _rdata(kind, str(address))


def _pointer(address: Address, name: str) -> Record:
    return address.reverse_pointer, RdataType.PTR, _rdata(RdataType.PTR, f"{name}.")


def _dashed(address: Address) -> str:
    return str(address).replace(".", "-") if address.version == 4 else address.exploded.replace(":", "-")


def _rdata(kind: RdataType, text: str) -> Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text)


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.partition(".")[2]


def _reverse_zones(node: Wire) -> Iterator[str]:
    """Of the node's ranges, as far as they end at a label: a /24 does, of others the zones within."""
    for text in (node.get("spec") or {}).get("podCIDRs") or ():
        network = ip_network(text)
        step = 8 if network.version == 4 else 4
        whole = -(-network.prefixlen // step) * step
        labels = whole // step
        for part in network.subnets(new_prefix=whole) if whole - network.prefixlen < step else ():
            words = part.network_address.reverse_pointer.split(".")
            yield ".".join(words[len(words) - 2 - labels :])
