"""What answers from where: ``GET /apis/slipway.dev/v1/namespaces/<ns>/services/<name>/exposure`` and ``…/pods/<name>/exposure``.

For each address and port at which a service (a pod with host ports) means to answer, a TCP connection is made and closed at
once: from the control plane's host, from every node, and from a pod of every node, each with a deadline. The answer says which
came about, how long it took, and why not. To an address of another node, a node comes from outside as anybody does. Nothing
is sent. What TCP cannot tell (UDP, SCTP), and addresses that somebody else routes, are listed as not checked.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.controllers.slices import selects
from controlplane.nodes import probing
from controlplane.store import objects
from schema import kinds, meta, probes
from schema.base import Wire
from schema.discovery.endpointslice import SERVICE_NAME_LABEL
from schema.kinds import Kind
from schema.selectors import LabelSelector
from schema.session import ProbeTarget

API_VERSION = "slipway.dev/v1"
AT_ONCE = 16
MOST_ADDRESSES = 128
MOST_NODES = 32
MOST_PROBED = 64
"""Addresses that every node tries."""


@dataclass(frozen=True)
class Place:
    """One address and port that means to answer."""

    reach: str
    """Who is meant to reach it: Cluster, Node or Outside."""
    by: str
    """clusterIP, nodePort, loadBalancer, externalIP, hostPort"""
    address: str
    port: int
    protocol: str
    why_not_checked: str = ""


class ServiceExposureView(ApiView):
    def get(self, request: Request, namespace: str, name: str) -> Response:
        self.kind, self.name = kinds.SERVICE, name
        _authorize(self, kinds.SERVICE, namespace, name)
        service = objects.get(kinds.SERVICE, namespace, name)
        ready = _ready_endpoints(namespace, name)
        return Response(
            _document("ServiceExposure", service, places_of_service(service, _nodes()), {"readyEndpoints": ready})
        )


class PodExposureView(ApiView):
    def get(self, request: Request, namespace: str, name: str) -> Response:
        self.kind, self.name = kinds.POD, name
        _authorize(self, kinds.POD, namespace, name)
        pod = objects.get(kinds.POD, namespace, name)
        labels = pod["metadata"].get("labels") or {}
        services = [
            each["metadata"]["name"]
            for each in objects.list_objects(kinds.SERVICE, namespace=namespace).items
            if selects(each["spec"].get("selector") or {}, labels)
        ]
        return Response(_document("PodExposure", pod, places_of_pod(pod), {"services": services}))


def _authorize(view: ApiView, kind: Kind, namespace: str, name: str) -> None:
    if not authorization.allowed(view.identity, "get", kind, namespace, name):
        user = view.identity.name
        raise errors.forbidden("get", kind, user=user, namespace=namespace, name=name, subresource="exposure")


# What means to answer


def places_of_service(service: Wire, nodes: Iterable[Wire]) -> Iterator[Place]:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return
    families = _families(spec.get("ipFamilies") or ())
    addresses = [each for each in _node_addresses(nodes) if _family(each) in families]
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    for port in spec.get("ports") or ():
        protocol = port.get("protocol", "TCP")
        unchecked = "" if protocol == "TCP" else f"{protocol} does not tell whether somebody answers"
        for address in spec.get("clusterIPs") or ():
            if address != "None":
                yield Place("Cluster", "clusterIP", address, port["port"], protocol, unchecked)
        if port.get("nodePort"):
            for address in addresses:
                yield Place("Outside", "nodePort", address, port["nodePort"], protocol, unchecked)
        for each in ingress if spec.get("type") == "LoadBalancer" else ():
            if each.get("ip"):
                yield Place("Outside", "loadBalancer", each["ip"], port["port"], protocol, unchecked)
        for address in (each for each in spec.get("externalIPs") or () if _family(each) in families):
            why = unchecked or "somebody else routes this address"
            yield Place("Outside", "externalIP", address, port["port"], protocol, why)


def places_of_pod(pod: Wire) -> Iterator[Place]:
    status = pod.get("status") or {}
    families = {_family(each["ip"]) for each in status.get("podIPs") or ()} or _families(())
    addresses = [each["ip"] for each in status.get("hostIPs") or ()]
    hosts = [each for each in addresses if _family(each) in families]
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if not port.get("hostPort"):
                continue
            protocol = port.get("protocol", "TCP")
            unchecked = "" if protocol == "TCP" else f"{protocol} does not tell whether somebody answers"
            given = port.get("hostIP") or ""
            everywhere = given in ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
            loopback = bool(given) and ipaddress.ip_address(given).is_loopback
            for address in hosts if everywhere else [given]:
                why = unchecked or ("only the pod's own node can reach it" if loopback else "")
                if not why and address not in addresses:
                    # Whoever makes pods could otherwise have any host of the control plane's network tried.
                    why = "the pod's node does not name it among its addresses"
                yield Place("Node" if loopback else "Outside", "hostPort", address, port["hostPort"], protocol, why)


def _families(asked: Collection[str]) -> set[str]:
    """All, where none is named: an object from before there were several."""
    return set(asked) or {"IPv4", "IPv6"}


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def _nodes() -> list[Wire]:
    return objects.list_objects(kinds.NODE).items


def _node_addresses(nodes: Iterable[Wire]) -> Iterator[str]:
    for node in nodes:
        for each in (node.get("status") or {}).get("addresses") or ():
            if each.get("type") in ("InternalIP", "ExternalIP"):
                yield each["address"]


def _ready_endpoints(namespace: str, name: str) -> int:
    own = LabelSelector.from_labels({SERVICE_NAME_LABEL: name})
    found = objects.list_objects(kinds.ENDPOINT_SLICE, namespace=namespace, labels=own).items
    return sum(
        (each.get("conditions") or {}).get("ready") is not False for one in found for each in one.get("endpoints") or ()
    )


# What does


def _document(kind: str, subject: Wire, places: Iterable[Place], more: Wire) -> Wire:
    every = list(dict.fromkeys(places))
    checked = every[:MOST_ADDRESSES]
    nodes = _nodes()
    asked, targets = _questions(nodes, checked)
    with ThreadPoolExecutor(AT_ONCE + 1) as threads:
        elsewhere = threads.submit(probing.from_nodes, asked, subject["metadata"]["namespace"], targets)
        answers = list(threads.map(check, checked))
        found = elsewhere.result()
    owners = {address: node["metadata"]["name"] for node in nodes for address in _node_addresses([node])}
    for place, answer in zip(checked, answers, strict=True):
        if not place.why_not_checked:
            answer["from"] = list(tries_of(place, found, owners))
    metadata = {key: subject["metadata"][key] for key in ("name", "namespace", "uid")}
    status = {
        "checkedAt": meta.format_time(meta.now()),
        "checkedFrom": socket.gethostname(),
        "addresses": answers,
        "omitted": len(every) - len(checked),
        "nodesWithoutAnswer": [{"node": node, "reason": why} for node, why in found.items() if isinstance(why, str)],
        "nodesOmitted": max(0, len(nodes) - len(asked)),
        **more,
    }
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "status": status}


def _questions(nodes: Iterable[Wire], places: Iterable[Place]) -> tuple[list[str], list[ProbeTarget]]:
    """Which nodes try what. The pool's threads are few and each node costs one connection: both are bounded."""
    names = sorted(node["metadata"]["name"] for node in nodes if _is_ready(node))
    wanted = dict.fromkeys((place.address, place.port) for place in places if not place.why_not_checked)
    return names[:MOST_NODES], [ProbeTarget(address=each, port=port) for each, port in list(wanted)[:MOST_PROBED]]


def _is_ready(node: Wire) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def tries_of(place: Place, found: Mapping[str, list[Wire] | str], owners: Mapping[str, str]) -> Iterator[Wire]:
    """Who has tried it, and what came of it. A node that asks another node's address is outside of that."""
    for node, tries in found.items():
        for each in tries if isinstance(tries, list) else ():
            if (each.get("address"), each.get("port")) != (place.address, place.port):
                continue
            outside = each["from"] == "Node" and owners.get(place.address, node) != node
            about: Wire = {key: each[key] for key in ("pod", "result", "reason", "milliseconds") if key in each}
            yield {"node": node, "as": "Outside" if outside else each["from"], **about}


def check(place: Place) -> Wire:
    """Really connects."""
    about: Wire = {
        "reach": place.reach,
        "by": place.by,
        "address": place.address,
        "port": place.port,
        "protocol": place.protocol,
    }
    if place.why_not_checked:
        return {**about, "result": "NotChecked", "reason": place.why_not_checked}
    began = time.perf_counter()
    try:
        socket.create_connection((place.address, place.port), timeout=probes.DEADLINE_SECONDS).close()
    except OSError as error:  # TimeoutError is one
        return {**about, **probes.failed(error)}
    return {**about, **probes.answers(time.perf_counter() - began)}
