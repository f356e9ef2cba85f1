"""The EndpointSlices and the Endpoints of each service, as its pods come, become ready and go.

Reads services, pods, nodes (for zones) and, of services without a selector, the Endpoints that somebody wrote. Writes the
slices of its own (label ``endpointslice.kubernetes.io/managed-by``) and, for services with a selector, their Endpoints.

A pod does not know the services that select it, and whoever sees its change may not look them up. So a change of a pod
becomes the key of its labels, which all pods of one template share; the pass over that key finds the services.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from controlplane.controllers import slices
from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.node import Node
from controlplane.store.kinds.service import Service
from controlplane.store.objects import ChangeRecord, Create, Delete, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.discovery.endpointslice import MANAGED_BY_LABEL, SERVICE_NAME_LABEL
from schema.selectors import LabelSelector

ZONE = "topology.kubernetes.io/zone"
_LABELS = "labels/"
"""No name of a service begins so."""


@dataclass(frozen=True)
class Present:
    pods: Sequence[Wire]
    slices: Sequence[Wire]
    """Of ours only."""
    endpoints: Wire | None
    zones: Mapping[str, str]


class EndpointSliceController(Controller[Present]):
    name = "endpointslice"
    kind = kinds.SERVICE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.SERVICE or change.kind is kinds.ENDPOINTS:
            yield change.namespace, change.name
        elif change.kind is kinds.ENDPOINT_SLICE:
            if (change.labels.get(MANAGED_BY_LABEL) or "") in (slices.MANAGER, slices.MIRROR):
                yield change.namespace, change.labels.get(SERVICE_NAME_LABEL, "")
        elif change.kind is kinds.POD:
            for labels in (change.labels, change.previous_labels):
                if labels:
                    yield change.namespace, _LABELS + orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()

    def all_keys(self) -> Iterable[Key]:
        """Those of which something is not as it should be: all are looked at here, with few queries."""
        services = objects.list_objects(kinds.SERVICE).items
        if not services:
            return
        pods: dict[str, list[Wire]] = defaultdict(list)
        for pod in objects.list_objects(kinds.POD).items:
            pods[pod["metadata"]["namespace"]].append(pod)
        found: dict[Key, list[Wire]] = defaultdict(list)
        for one in objects.list_objects(kinds.ENDPOINT_SLICE).items:
            labels = one["metadata"].get("labels") or {}
            if labels.get(MANAGED_BY_LABEL) in (slices.MANAGER, slices.MIRROR):
                found[one["metadata"]["namespace"], labels.get(SERVICE_NAME_LABEL, "")].append(one)
        endpoints = {_key(one): one for one in objects.list_objects(kinds.ENDPOINTS).items}
        zones = _zones()
        for service in services:
            key = _key(service)
            selector = service["spec"].get("selector") or {}
            selected = [
                each for each in pods.get(key[0], ()) if slices.selects(selector, each["metadata"].get("labels") or {})
            ]
            if _writes(service, Present(selected, found.get(key, []), endpoints.get(key), zones)):
                yield key

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if not name.startswith(_LABELS):
            return super().reconcile(namespace, name)
        labels = orjson.loads(name.removeprefix(_LABELS))
        for service, spec in Service.objects.filter(namespace=namespace).values_list("name", "spec"):
            if slices.selects(orjson.loads(spec).get("selector") or {}, labels):
                super().reconcile(namespace, service)
        return DONE

    def gather(self, obj: Wire) -> Present:
        namespace, name = _key(obj)
        selector = obj["spec"].get("selector") or {}
        pods = (
            objects.list_objects(kinds.POD, namespace=namespace, labels=LabelSelector.from_labels(selector)).items
            if selector
            else []
        )
        own = LabelSelector.from_labels({SERVICE_NAME_LABEL: name})
        present = [
            each
            for each in objects.list_objects(kinds.ENDPOINT_SLICE, namespace=namespace, labels=own).items
            if each["metadata"]["labels"].get(MANAGED_BY_LABEL) in (slices.MANAGER, slices.MIRROR)
        ]
        return Present(pods, present, _find(namespace, name), _zones() if pods else {})

    def plan(self, obj: Wire, children: Present, now: datetime) -> Plan:
        writes = _writes(obj, children)
        return Plan([Step("write slices", writes)] if writes else [])


def _writes(service: Wire, present: Present) -> list[Write]:
    spec, namespace = service["spec"], service["metadata"]["namespace"]
    ours = [each for each in present.slices if each["metadata"]["labels"][MANAGED_BY_LABEL] == slices.MANAGER]
    mirrors = [each for each in present.slices if each["metadata"]["labels"][MANAGED_BY_LABEL] == slices.MIRROR]
    if spec.get("type") == "ExternalName":
        return [Delete(kinds.ENDPOINT_SLICE, namespace, each["metadata"]["name"]) for each in present.slices]
    if not spec.get("selector"):
        mirrored = slices.mirrored(present.endpoints) if present.endpoints else []
        changes = slices.plan(service, mirrored, mirrors, slices.MIRROR)
        changes.delete.extend(each["metadata"]["name"] for each in ours)
        return _slice_writes(namespace, changes)
    wanted = slices.groups(service, present.pods, present.zones)
    changes = slices.plan(service, wanted, ours)
    changes.delete.extend(each["metadata"]["name"] for each in mirrors)
    return [*_slice_writes(namespace, changes), *_endpoints_writes(service, wanted, present.endpoints)]


def _slice_writes(namespace: str, changes: slices.Changes) -> list[Write]:
    return [
        *(Create(kinds.ENDPOINT_SLICE, each) for each in changes.create),
        *(_replace(each) for each in changes.update),
        *(Delete(kinds.ENDPOINT_SLICE, namespace, name) for name in changes.delete),
    ]


def _replace(wanted: Wire) -> Patch:
    metadata = wanted["metadata"]

    def change(stored: Wire) -> Wire:
        kept = {**stored["metadata"], "labels": metadata["labels"], "ownerReferences": metadata["ownerReferences"]}
        return {**stored, "metadata": kept, "endpoints": wanted["endpoints"], "ports": wanted["ports"]}

    return Patch(kinds.ENDPOINT_SLICE, metadata["namespace"], metadata["name"], change, uid=metadata.get("uid", ""))


def _endpoints_writes(service: Wire, wanted: Sequence[slices.Group], present: Wire | None) -> list[Write]:
    made = slices.endpoints_object(service, wanted)
    if present is None:
        return [Create(kinds.ENDPOINTS, made)]
    metadata = present["metadata"]
    same = (present.get("subsets") or []) == made["subsets"] and metadata.get("labels") == made["metadata"]["labels"]
    if same:
        return []
    own = {key: made["metadata"][key] for key in ("labels", "ownerReferences")}

    def change(stored: Wire) -> Wire:
        annotations = {
            key: value
            for key, value in (stored["metadata"].get("annotations") or {}).items()
            if key != slices.OVER_CAPACITY
        } | made["metadata"].get("annotations", {})
        return {
            **stored,
            "metadata": {**stored["metadata"], **own, "annotations": annotations},
            "subsets": made["subsets"],
        }

    return [Patch(kinds.ENDPOINTS, metadata["namespace"], metadata["name"], change)]


def _find(namespace: str, name: str) -> Wire | None:
    try:
        return objects.get(kinds.ENDPOINTS, namespace, name)
    except NotFound:
        return None


def _zones() -> dict[str, str]:
    found = {}
    for name, labels in Node.objects.values_list("name", "labels"):
        zone = orjson.loads(labels).get(ZONE)
        if zone:
            found[name] = zone
    return found


def _key(obj: Wire) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
