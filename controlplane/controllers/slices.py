"""The EndpointSlices and Endpoints of a service, from the pods that it selects. Pure.

An endpoint keeps its slice as long as it can, so that one pod's change rewrites one slice, which is what every node then
hears. Slices of a service differ by address family and by the numbers that its named ports have in the pods.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schema.base import Wire
from schema.discovery.endpointslice import HEADLESS_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL

MANAGER = "endpointslice-controller.k8s.io"
MIRROR = "endpointslicemirroring-controller.k8s.io"
PER_SLICE = 100
ENDPOINTS_LIMIT = 1000
"""Of one Endpoints object; beyond it, old clients see only these."""
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
HEADLESS = "None"
NODE_NOT_READY = "NodeNotReady"
"""What the node controller gives as the reason."""
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
FINISHED = ("Succeeded", "Failed")
_RESERVED = (SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL)

PortKey = tuple[tuple[str, str, int | None, str], ...]
"""(name, protocol, number, appProtocol) of each port."""


@dataclass
class Group:
    """Endpoints that can share slices."""

    family: str
    ports: PortKey
    endpoints: dict[str, Wire] = field(default_factory=dict)
    """By what identifies them: the pod's uid, or the address."""


@dataclass(frozen=True)
class Changes:
    create: list[Wire]
    update: list[Wire]
    delete: list[str]
    """Names."""

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete)


# From pods


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def is_ready(pod: Wire) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def silenced(pod: Wire) -> bool:
    """Not ready only because its node is not heard of. It may well serve: it is used while no other is ready, so that a
    control plane that returns before its nodes do takes nothing away from anybody."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("reason") == NODE_NOT_READY for each in conditions)


def counts(pod: Wire) -> bool:
    """Whether the pod is an endpoint at all, ready or not: it has an address and its life is not over."""
    status = pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in FINISHED


def groups(service: Wire, pods: Iterable[Wire], zones: Mapping[str, str]) -> list[Group]:
    """``zones`` by node."""
    spec = service["spec"]
    found: dict[tuple[str, PortKey], Group] = {}
    for pod in pods:
        if not counts(pod):
            continue
        ports = resolve_ports(service, pod)
        for family in spec.get("ipFamilies") or ("IPv4",):
            address = _address(pod, family)
            if address:
                group = found.setdefault((family, ports), Group(family, ports))
                group.endpoints[pod["metadata"]["uid"]] = endpoint(service, pod, address, zones)
    return list(found.values())


def _address(pod: Wire, family: str) -> str:
    status = pod["status"]
    addresses = [each.get("ip", "") for each in status.get("podIPs") or ()] or [status["podIP"]]
    return next((address for address in addresses if (":" in address) == (family == "IPv6")), "")


def resolve_ports(service: Wire, pod: Wire) -> PortKey:
    """The service's ports as numbers of this pod; one whose name the pod does not know is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = target_port(port, pod)
        if number is not None:
            found.append((port.get("name", ""), port.get("protocol", "TCP"), number, port.get("appProtocol") or ""))
    return tuple(sorted(found))


def target_port(port: Wire, pod: Wire) -> int | None:
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    for container in [*spec.get("containers", ()), *sidecars]:
        for each in container.get("ports") or ():
            if each.get("name") == target and each.get("protocol", "TCP") == port.get("protocol", "TCP"):
                number: int = each["containerPort"]
                return number
    return None


def endpoint(service: Wire, pod: Wire, address: str, zones: Mapping[str, str]) -> Wire:
    metadata, spec = pod["metadata"], pod["spec"]
    terminating = "deletionTimestamp" in metadata
    anyway = bool(service["spec"].get("publishNotReadyAddresses"))
    serving = is_ready(pod) or anyway or silenced(pod)
    made: Wire = {
        "addresses": [address],
        "conditions": {
            "ready": anyway or (is_ready(pod) and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        made["hostname"] = spec["hostname"]
    if spec.get("nodeName"):
        made["nodeName"] = spec["nodeName"]
        if zones.get(spec["nodeName"]):
            made["zone"] = zones[spec["nodeName"]]
    return made


# From Endpoints that somebody wrote


def mirrored(endpoints: Wire) -> list[Group]:
    """For a service without a selector, whose Endpoints somebody keeps who knows no slices."""
    found: dict[tuple[str, PortKey], Group] = {}
    if (endpoints["metadata"].get("labels") or {}).get(SKIP_MIRROR) == "true":
        return []
    for subset in endpoints.get("subsets") or ():
        ports: PortKey = tuple(
            sorted(
                (port.get("name", ""), port.get("protocol", "TCP"), port["port"], port.get("appProtocol") or "")
                for port in subset.get("ports") or ()
            )
        )
        for name, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(name) or ():
                family = "IPv6" if ":" in address["ip"] else "IPv4"
                group = found.setdefault((family, ports), Group(family, ports))
                group.endpoints[address["ip"]] = _mirrored_endpoint(address, ready)
    return list(found.values())


def _mirrored_endpoint(address: Wire, ready: bool) -> Wire:
    made: Wire = {"addresses": [address["ip"]], "conditions": {"ready": ready, "serving": ready, "terminating": False}}
    for theirs, ours in (("hostname", "hostname"), ("nodeName", "nodeName"), ("targetRef", "targetRef")):
        if address.get(theirs):
            made[ours] = address[theirs]
    return made


# Slices


def plan(service: Wire, wanted: Sequence[Group], present: Sequence[Wire], manager: str = MANAGER) -> Changes:
    """What to do so that ``present``, the slices of this manager, hold ``wanted``."""
    by_group: dict[tuple[str, PortKey], list[Wire]] = defaultdict(list)
    for one in present:
        by_group[one["addressType"], _port_key(one)].append(one)
    changes = Changes([], [], [])
    if not wanted:
        # An empty slice says that the service is known and leads nowhere.
        families = service["spec"].get("ipFamilies") or ("IPv4",)
        wanted = [Group(family, ()) for family in families] if manager == MANAGER else []
    taken = {one["metadata"]["name"] for one in present}
    for group in wanted:
        _plan_group(service, group, by_group.pop((group.family, group.ports), []), taken, changes, manager)
    changes.delete.extend(one["metadata"]["name"] for left in by_group.values() for one in left)
    return changes


def _plan_group(
    service: Wire, group: Group, present: list[Wire], taken: set[str], changes: Changes, manager: str
) -> None:
    left = dict(group.endpoints)
    packed: list[tuple[Wire, list[Wire]]] = []
    for one in sorted(present, key=lambda each: str(each["metadata"]["name"])):
        identities = [_identity(each) for each in one.get("endpoints") or ()]
        packed.append((one, [left.pop(each) for each in dict.fromkeys(identities) if each in left]))
    rest = list(left.values())
    for _, kept in sorted(packed, key=lambda each: -len(each[1])):  # fullest first: fewer slices in the end
        room = PER_SLICE - len(kept)
        if room > 0 and rest and (kept or len(packed) == 1):
            kept.extend(rest[:room])
            rest = rest[room:]
    for number, (one, kept) in enumerate(packed):
        if not kept and (number > 0 or rest or any(other for _, other in packed)):
            changes.delete.append(one["metadata"]["name"])
            continue
        wanted = _slice(service, group, kept, one["metadata"]["name"], manager)
        if not same(one, wanted):
            changes.update.append({**wanted, "metadata": {**one["metadata"], **wanted["metadata"]}})
    ordinal = 0
    empty: list[list[Wire]] = [] if packed else [[]]
    pieces: list[list[Wire]] = [rest[start : start + PER_SLICE] for start in range(0, len(rest), PER_SLICE)] or empty
    for piece in pieces:
        while (name := _name(service, group, ordinal, manager)) in taken:
            ordinal += 1
        taken.add(name)
        changes.create.append(_slice(service, group, piece, name, manager))


def _identity(each: Wire) -> str:
    reference = each.get("targetRef") or {}
    return str(reference.get("uid") or each["addresses"][0])


def _port_key(one: Wire) -> PortKey:
    return tuple(
        sorted(
            (port.get("name") or "", port.get("protocol") or "TCP", port.get("port"), port.get("appProtocol") or "")
            for port in one.get("ports") or ()
        )
    )


def _name(service: Wire, group: Group, ordinal: int, manager: str) -> str:
    """Follows from what the slice is for, so that making it twice is refused."""
    text = json.dumps([service["metadata"]["uid"], group.family, group.ports, ordinal, manager])
    letters = "bcdfghjklmnpqrstvwxz2456789"
    digest = hashlib.sha256(text.encode()).digest()
    return f"{service['metadata']['name']}-{''.join(letters[byte % len(letters)] for byte in digest[:5])}"


def _slice(service: Wire, group: Group, endpoints: list[Wire], name: str, manager: str) -> Wire:
    metadata = service["metadata"]
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _RESERVED}
    labels |= {SERVICE_NAME_LABEL: metadata["name"], MANAGED_BY_LABEL: manager}
    if service["spec"].get("clusterIP") == HEADLESS:
        labels[HEADLESS_LABEL] = ""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner(service)],
        },
        "addressType": group.family,
        "endpoints": endpoints,
        "ports": [_port(*port) for port in group.ports],
    }


def _port(name: str, protocol: str, number: int | None, app_protocol: str) -> Wire:
    made: Wire = {"name": name, "protocol": protocol, "port": number}
    return made | ({"appProtocol": app_protocol} if app_protocol else {})


def owner(service: Wire) -> Wire:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "name": service["metadata"]["name"],
        "uid": service["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def same(one: Wire, wanted: Wire) -> bool:
    return all((one.get(name) or []) == (wanted.get(name) or []) for name in ("endpoints", "ports")) and (
        one["metadata"].get("labels") == wanted["metadata"]["labels"]
    )


# Endpoints


def endpoints_object(service: Wire, wanted: Sequence[Group]) -> Wire:
    """All in one object, for old clients: the first family only, as they expect."""
    metadata = service["metadata"]
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    left, over = ENDPOINTS_LIMIT, False
    subsets = []
    for group in sorted(wanted, key=lambda each: str(each.ports)):
        if group.family != family:
            continue
        chosen = sorted(group.endpoints.values(), key=_old_order)[:left]
        over |= len(chosen) < len(group.endpoints)
        left -= len(chosen)
        subset = _subset(group, chosen)
        if "addresses" in subset or "notReadyAddresses" in subset:
            subsets.append(subset)
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key not in _RESERVED}
    labels[ENDPOINTS_MANAGED_BY] = "endpoint-controller"
    if service["spec"].get("clusterIP") == HEADLESS:
        labels[HEADLESS_LABEL] = ""
    own: dict[str, Any] = {"name": metadata["name"], "namespace": metadata["namespace"], "labels": labels}
    if over:
        own["annotations"] = {OVER_CAPACITY: "truncated"}
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {**own, "ownerReferences": [owner(service)]},
        "subsets": subsets,
    }


def _old_order(one: Wire) -> tuple[bool, str]:
    return not one["conditions"]["ready"], one["addresses"][0]


def _subset(group: Group, endpoints: Iterable[Wire]) -> Wire:
    ready, unready = [], []
    for one in endpoints:
        address: Wire = {"ip": one["addresses"][0]}
        address |= {key: one[key] for key in ("hostname", "nodeName", "targetRef") if key in one}
        conditions = one["conditions"]
        if conditions["ready"]:
            ready.append(address)
        elif not conditions["terminating"]:
            unready.append(address)
    made: Wire = {}
    if ready:
        made["addresses"] = ready
    if unready:
        made["notReadyAddresses"] = unready
    if group.ports:
        made["ports"] = [_port(*port) for port in group.ports]
    return made
