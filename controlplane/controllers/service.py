"""Services of type LoadBalancer: their addresses, and the node that answers for each of them.

With a pool (`SLIPWAY_LOAD_BALANCER_POOL`) a service gets an address of its own, and one ready node answers for it on its
segment; without, it is reached at the addresses of the nodes, where two services cannot have the same port.

Reads services, nodes, slices and who holds what (`store.claims`). Writes: status.loadBalancer, the condition
LoadBalancerReady, and the annotation ``slipway.dev/announced-by``, which the agents read.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.store import allocation, claims, objects
from controlplane.store.claims import Claim, Holder
from controlplane.store.kinds.service import Service
from controlplane.store.objects import ChangeRecord, Patch
from schema import kinds
from schema.base import Wire
from schema.discovery.endpointslice import SERVICE_NAME_LABEL
from schema.selectors import LabelSelector

READY = "LoadBalancerReady"
ANNOUNCED_BY = "slipway.dev/announced-by"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
COMPONENT = "service-controller"
LOOK_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Surroundings:
    nodes: Sequence[Wire]
    """Those that may answer."""
    local: frozenset[str]
    """Nodes with ready endpoints of the service."""
    free: Sequence[str]
    """Of the pool, as many as the service could need; those it has come first."""
    holders: dict[str, Holder]
    """Of the addresses it asks for, and of its ports at the nodes' addresses, as far as others have them."""


class ServiceController(Controller[Surroundings]):
    name = "service"
    kind = kinds.SERVICE
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.SERVICE and (_is_balanced(change.object) or "LoadBalancer" in _type_before(change)):
            yield change.namespace, change.name
        elif change.kind is kinds.ENDPOINT_SLICE and change.labels.get(SERVICE_NAME_LABEL):
            yield change.namespace, change.labels[SERVICE_NAME_LABEL]
        elif change.kind is kinds.NODE:
            yield "", ""

    def all_keys(self) -> Iterable[Key]:
        found = Service.objects.filter(spec__contains='"LoadBalancer"') | Service.objects.filter(status__contains=READY)
        return list(found.values_list("namespace", "name"))

    def reconcile(self, namespace: str, name: str) -> Verdict:
        """The key without a name is every service that a node may answer for."""
        if name:
            return super().reconcile(namespace, name)
        for key in self.all_keys():
            super().reconcile(*key)
        return DONE

    def gather(self, obj: Wire) -> Surroundings:
        if not allocation.is_ours(obj["spec"]):
            return Surroundings((), frozenset(), (), {})
        own = Holder("services", obj["metadata"]["namespace"], obj["metadata"]["name"], obj["metadata"]["uid"])
        wanted = [Claim("load balancer IP", address) for address in allocation.asked_addresses(obj)]
        wanted += node_port_claims(obj)
        holders = {claim.value: holder for claim, holder in claims.holders(wanted).items() if holder.uid != own.uid}
        nodes = [each for each in objects.list_objects(kinds.NODE).items if _may_answer(each)]
        return Surroundings(nodes, _local_nodes(obj), _free_of_pool(), holders)

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        if not allocation.is_ours(obj["spec"]):
            return _withdrawn(obj)
        addresses, problem = _addresses(obj, children)
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        pooled = bool(settings.LOAD_BALANCER_POOL)
        announcer = _announcer(obj, children) if pooled and addresses else ""
        steps = []
        if _annotation(obj) != announcer:
            said = [] if not announcer else [_event(obj, "Normal", "Announced", f"{announcer} answers for its address")]
            steps.append(Step("announce", [_annotate(obj, announcer)], said))
        before = [each.get("ip") for each in _ingress(obj)]
        if before != addresses and addresses:
            steps.append(Step("tell", (), [_event(obj, "Normal", "EnsuredLoadBalancer", ", ".join(addresses))]))
        if problem is not None and find(obj, READY).get("reason") != problem.reason:
            steps.append(Step("tell", (), [_event(obj, "Warning", problem.reason, problem.message)]))
        condition = problem or Condition(READY, "True", "AddressesAssigned", f"answers at {', '.join(addresses)}")
        outcome = Wait(LOOK_AGAIN_SECONDS, problem.message) if problem else None
        return Plan(steps, [condition], {"loadBalancer": {"ingress": ingress} if ingress else {}}, outcome)

    def progress(self, outcome: Any) -> Sequence[Condition]:
        return ()  # LoadBalancerReady says it all


def _withdrawn(obj: Wire) -> Plan:
    steps = [Step("withdraw", [_annotate(obj, "")])] if _annotation(obj) else []
    if obj["spec"].get("type") == "LoadBalancer":
        return Plan(steps)  # somebody else's class: its status is theirs
    conditions = [Condition(READY, "False", "NoLoadBalancer", "it is of another type now")] if find(obj, READY) else []
    return Plan(steps, conditions, {"loadBalancer": {}} if _ingress(obj) else {})


def _addresses(obj: Wire, around: Surroundings) -> tuple[list[str], Condition | None]:
    """The addresses it has, and what is wrong."""
    if not settings.LOAD_BALANCER_POOL:
        return _node_addresses(obj, around)
    families = obj["spec"].get("ipFamilies") or ["IPv4"]
    asked = list(allocation.asked_addresses(obj))
    for address in asked:
        if address in around.holders:
            why = f"the address {address} is already allocated to {around.holders[address]}"
            return [], Condition(READY, "False", "AddressTaken", why)
    if asked:
        return asked, None
    held = [each["ip"] for each in _ingress(obj) if each.get("ip") and allocation.in_pool(each["ip"])]
    chosen: list[str] = []
    for family in families:
        fits = [each for each in [*held, *around.free] if f"IPv{ipaddress.ip_address(each).version}" == family]
        chosen += fits[:1]
    if not chosen:
        why = f"no {' or '.join(families)} address of the pool {settings.LOAD_BALANCER_POOL} is free"
        return [], Condition(READY, "False", "PoolExhausted", why)
    return chosen, None


def _node_addresses(obj: Wire, around: Surroundings) -> tuple[list[str], Condition | None]:
    for value, holder in around.holders.items():
        why = f"port {value} at the nodes' addresses is already allocated to {holder}; a pool of addresses has room for both"
        return [], Condition(READY, "False", "PortTaken", why)
    families = obj["spec"].get("ipFamilies") or ["IPv4"]
    found = [
        each["address"]
        for node in around.nodes
        for each in (node.get("status") or {}).get("addresses") or ()
        if each.get("type") == "InternalIP" and f"IPv{ipaddress.ip_address(each['address']).version}" in families
    ]
    if not found:
        return [], Condition(READY, "False", "NoNode", "no ready node has an address for it")
    return list(dict.fromkeys(found)), None


def node_port_claims(obj: Wire) -> list[Claim]:
    if settings.LOAD_BALANCER_POOL or not allocation.is_ours(obj["spec"]):
        return []
    return list(allocation.node_address_ports(obj))


def _announcer(obj: Wire, around: Surroundings) -> str:
    """One node for each address, the same as long as it can: the one that a hash prefers among those that serve."""
    names = [each["metadata"]["name"] for each in around.nodes]
    if obj["spec"].get("externalTrafficPolicy") == "Local" and around.local:
        names = [name for name in names if name in around.local] or names
    uid = obj["metadata"]["uid"]
    return max(names, key=lambda name: hashlib.sha256(f"{uid} {name}".encode()).digest(), default="")


def _may_answer(node: Wire) -> bool:
    ready = any(
        each.get("type") == "Ready" and each.get("status") == "True"
        for each in (node.get("status") or {}).get("conditions") or ()
    )
    return ready and EXCLUDED not in (node["metadata"].get("labels") or {})


def _local_nodes(obj: Wire) -> frozenset[str]:
    if obj["spec"].get("externalTrafficPolicy") != "Local":
        return frozenset()
    own = LabelSelector.from_labels({SERVICE_NAME_LABEL: obj["metadata"]["name"]})
    found = objects.list_objects(kinds.ENDPOINT_SLICE, namespace=obj["metadata"]["namespace"], labels=own).items
    return frozenset(
        each["nodeName"]
        for one in found
        for each in one.get("endpoints") or ()
        if each.get("nodeName") and (each.get("conditions") or {}).get("ready") is not False
    )


def _free_of_pool() -> list[str]:
    found: list[str] = []
    for span in allocation.pool(settings.LOAD_BALANCER_POOL):
        found += claims.first_free("load balancer IP", iter(span), 2)
    return found


def _event(obj: Wire, severity: str, reason: str, message: str) -> Record:
    return Record(obj, severity, reason, message, COMPONENT)


def _annotation(obj: Wire) -> str:
    found: str = (obj["metadata"].get("annotations") or {}).get(ANNOUNCED_BY, "")
    return found


def _annotate(obj: Wire, node: str) -> Patch:
    metadata = obj["metadata"]

    def change(stored: Wire) -> Wire:
        annotations = {k: v for k, v in (stored["metadata"].get("annotations") or {}).items() if k != ANNOUNCED_BY}
        if node:
            annotations[ANNOUNCED_BY] = node
        return {**stored, "metadata": {**stored["metadata"], "annotations": annotations}}

    return Patch(kinds.SERVICE, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])


def _ingress(obj: Wire) -> list[Wire]:
    found: list[Wire] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def _is_balanced(obj: Wire) -> bool:
    return (obj.get("spec") or {}).get("type") == "LoadBalancer" or bool(_ingress(obj)) or bool(_annotation(obj))


def _type_before(change: ChangeRecord) -> str:
    return change.previous_fields.get("spec.type", "")
