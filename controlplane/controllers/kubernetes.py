"""The service ``kubernetes`` in ``default``: the API server, for clients in pods.

It has the first address of the service range and no selector; its slice names the address at which the nodes reach the API
server (`SLIPWAY_ADVERTISE_ADDRESS`, otherwise this host's own).

Reads the service and its slice; writes both, whenever they are not as they should be.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from controlplane.controllers.base import DONE, Controller, Key, Verdict, write
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.allocation import KUBERNETES
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Create, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.discovery.endpointslice import MANAGED_BY_LABEL, SERVICE_NAME_LABEL
from schema.kinds import Kind

MANAGER = "slipway.dev/api-server"
PORT = 443


@dataclass(frozen=True)
class Present:
    slice: Wire | None
    endpoints: Wire | None


class KubernetesServiceController(Controller[Present]):
    name = "kubernetes-service"
    kind = kinds.SERVICE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if (change.namespace, change.name) == KUBERNETES:
            if change.kind in (kinds.SERVICE, kinds.ENDPOINTS, kinds.ENDPOINT_SLICE):
                yield KUBERNETES
        elif change.kind is kinds.NODE and change.type is ChangeType.ADDED:
            yield KUBERNETES  # the first thing that happens in a new cluster

    def all_keys(self) -> Iterable[Key]:
        return [KUBERNETES]

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if _find(kinds.SERVICE) is None:
            write([Create(kinds.SERVICE, _service())])
            return Verdict(again_after=0.0)
        return super().reconcile(namespace, name) or DONE

    def gather(self, obj: Wire) -> Present:
        return Present(_find(kinds.ENDPOINT_SLICE), _find(kinds.ENDPOINTS))

    def plan(self, obj: Wire, children: Present, now: datetime) -> Plan:
        address = advertised()
        if not address:
            return Plan()
        wanted = _slice(address)
        writes: list[Write] = []
        if children.slice is None:
            writes.append(Create(kinds.ENDPOINT_SLICE, wanted))
        elif any(children.slice.get(key) != wanted[key] for key in ("endpoints", "ports")):
            parts = {key: wanted[key] for key in ("endpoints", "ports")}
            writes.append(Patch(kinds.ENDPOINT_SLICE, *KUBERNETES, lambda stored: {**stored, **parts}))
        subsets = _subsets(address)
        if children.endpoints is None:
            writes.append(Create(kinds.ENDPOINTS, {**_named(kinds.ENDPOINTS), "subsets": subsets}))
        elif children.endpoints.get("subsets") != subsets:
            writes.append(Patch(kinds.ENDPOINTS, *KUBERNETES, lambda stored: {**stored, "subsets": subsets}))
        return Plan([Step("point at the API server", writes)] if writes else [])


def advertised() -> str:
    """Of this host, as other hosts see it: the source of what it sends to the outside. Nothing is sent for asking."""
    if settings.ADVERTISE_ADDRESS:
        return str(settings.ADVERTISE_ADDRESS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return ""


def _find(kind: Kind) -> Wire | None:
    try:
        return objects.get(kind, *KUBERNETES)
    except NotFound:
        return None


def _named(kind: Kind) -> Wire:
    namespace, name = KUBERNETES
    labels = {"component": "apiserver", "provider": "kubernetes"}
    metadata = {"namespace": namespace, "name": name, "labels": labels}
    if kind is kinds.ENDPOINTS:
        metadata["labels"] = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}


def _service() -> Wire:
    port = {"name": "https", "protocol": "TCP", "port": PORT, "targetPort": settings.API_PORT}
    spec = {"type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ports": [port]}
    return {**_named(kinds.SERVICE), "spec": spec}


def _slice(address: str) -> Wire:
    made = _named(kinds.ENDPOINT_SLICE)
    made["metadata"]["labels"] = {SERVICE_NAME_LABEL: KUBERNETES[1], MANAGED_BY_LABEL: MANAGER}
    return {
        **made,
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "protocol": "TCP", "port": settings.API_PORT}],
    }


def _subsets(address: str) -> list[Wire]:
    return [
        {
            "addresses": [{"ip": address}],
            "ports": [{"name": "https", "port": settings.API_PORT, "protocol": "TCP"}],
        }
    ]
