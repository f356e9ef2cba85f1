"""Ingresses: where they answer, their certificates, and what keeps parts of them from being served.

A certificate that an Ingress names and nobody has made is signed by the cluster's own authority and renewed a month before
its end; a Secret of the users' is never touched. The requests themselves are the agents' (`nodeagent.ingress`).

Reads Ingresses, their classes, nodes, services and Secrets. Writes: status.loadBalancer, the condition Ready, and Secrets that
carry the annotation ``slipway.dev/issued-by: cluster-authority``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from controlplane.access import pki
from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, Create, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.networking import ingress

READY = "Ready"
COMPONENT = "ingress-controller"
ISSUED_BY = "slipway.dev/issued-by"
AUTHORITY = "cluster-authority"
TLS = "kubernetes.io/tls"
_LONGEST_WAIT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Certificate:
    secret: str
    hosts: tuple[str, ...]
    present: Wire | None
    fresh: tuple[bytes, bytes] | None = None
    """A new chain and key, where one is due."""
    due: datetime | None = None
    """When it is to be renewed, if it is ours."""


@dataclass(frozen=True)
class Surroundings:
    served: bool
    """By us."""
    addresses: Sequence[str] = ()
    certificates: Sequence[Certificate] = ()
    services: frozenset[str] = frozenset()
    """Those that exist, of those it names."""
    taken: dict[str, str] = field(default_factory=dict)
    """Host and path to the older Ingress that has it."""


class IngressController(Controller[Surroundings]):
    name = "ingress"
    kind = kinds.INGRESS
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.INGRESS:
            yield change.namespace, change.name
            yield "", ""  # another may have lost a path to it, or got it back
        elif change.kind in (kinds.INGRESS_CLASS, kinds.NODE):
            yield "", ""
        elif change.kind is kinds.SERVICE or (change.kind is kinds.SECRET and (change.object.get("type") or "") == TLS):
            yield change.namespace, ""

    def reconcile(self, namespace: str, name: str) -> Verdict:
        """A key without a name is every Ingress (of the namespace)."""
        if name:
            return super().reconcile(namespace, name)
        for wire in objects.list_objects(kinds.INGRESS, namespace=namespace).items:
            super().reconcile(wire["metadata"]["namespace"], wire["metadata"]["name"])
        return DONE

    def gather(self, obj: Wire) -> Surroundings:
        classes = {
            one["metadata"]["name"]
            for one in objects.list_objects(kinds.INGRESS_CLASS).items
            if one["spec"].get("controller") == ingress.CONTROLLER
        }
        if obj["spec"].get("ingressClassName") not in classes:
            return Surroundings(served=False)
        namespace = obj["metadata"]["namespace"]
        names = frozenset(name for name in _services(obj) if _get(kinds.SERVICE, namespace, name) is not None)
        others = [
            one
            for one in objects.list_objects(kinds.INGRESS).items
            if one["spec"].get("ingressClassName") in classes and _age(one) < _age(obj)
        ]
        return Surroundings(
            True,
            _addresses(),
            [_certificate(obj, entry) for entry in obj["spec"].get("tls") or ()],
            names,
            _taken(obj, others),
        )

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        if not children.served:
            return Plan()
        writes, said, problems = _issue(obj, children.certificates)
        problems += [f"the service {name} does not exist" for name in sorted(_services(obj) - children.services)]
        problems += [
            f"{where} is the Ingress {owner}'s, which is older" for where, owner in sorted(children.taken.items())
        ]
        if not children.addresses:
            problems.append(f"no ready node carries the label {ingress.NODE_LABEL}")
        reason, message = (
            ("Incomplete", "; ".join(problems)) if problems else ("Served", "everything it asks for is served")
        )
        condition = Condition(READY, str(not problems), reason, message)
        if problems and find(obj, READY).get("message") != message:
            said.append(_event(obj, "Warning", "Incomplete", message))
        steps = [Step("issue", writes, said)] if writes or said else []
        answers = [{"ip": address} for address in children.addresses]
        return Plan(
            steps, [condition], {"loadBalancer": {"ingress": answers} if answers else {}}, _renewal(children, now)
        )

    def progress(self, outcome: Any) -> Sequence[Condition]:
        return ()  # Ready says it all


def _issue(obj: Wire, certificates: Iterable[Certificate]) -> tuple[list[Write], list[Record], list[str]]:
    writes: list[Write] = []
    said: list[Record] = []
    problems: list[str] = []
    for one in certificates:
        if one.fresh is not None:
            writes.append(_write(obj, one, one.fresh))
            said.append(_event(obj, "Normal", "CertificateIssued", f"{one.secret}, for {', '.join(one.hosts)}"))
        elif one.present is None:
            problems.append(f"the certificate {one.secret} does not exist")
        elif not all((one.present.get("data") or {}).get(key) for key in ("tls.crt", "tls.key")):
            problems.append(f"the Secret {one.secret} has no tls.crt and tls.key")
    return writes, said, problems


def _write(obj: Wire, one: Certificate, pair: tuple[bytes, bytes]) -> Write:
    chain, key = (base64.b64encode(part).decode() for part in pair)
    data = {"tls.crt": chain, "tls.key": key}
    namespace = obj["metadata"]["namespace"]
    if one.present is not None:
        return Patch(kinds.SECRET, namespace, one.secret, lambda stored: {**stored, "data": data})
    owner = {
        "apiVersion": kinds.INGRESS.api_version,
        "kind": kinds.INGRESS.kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
    }
    metadata = {
        "namespace": namespace,
        "name": one.secret,
        "annotations": {ISSUED_BY: AUTHORITY},
        "ownerReferences": [owner],
    }
    return Create(kinds.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TLS, "data": data})


def _renewal(children: Surroundings, now: datetime) -> Wait | None:
    dues = [one.due for one in children.certificates if one.due is not None]
    if not dues:
        return None
    seconds = max((min(dues) - now).total_seconds(), 60.0)
    return Wait(min(seconds, _LONGEST_WAIT_SECONDS), "its certificate is to be renewed")


# Reading


def _certificate(obj: Wire, entry: Wire) -> Certificate:
    name = ingress.secret_name(obj["metadata"]["name"], entry)
    hosts = tuple(dict.fromkeys(ingress.tls_hosts(obj["spec"], entry)))
    present = _get(kinds.SECRET, obj["metadata"]["namespace"], name)
    ours = present is None or (present["metadata"].get("annotations") or {}).get(ISSUED_BY) == AUTHORITY
    if not ours or not hosts:
        return Certificate(name, hosts, present)
    due = None
    if present is not None:
        due = pki.good_until(base64.b64decode((present.get("data") or {}).get("tls.crt") or ""), hosts)
    if due is None or due <= datetime.now(due.tzinfo):
        try:
            return Certificate(name, hosts, present, fresh=pki.issue(settings.HOME, hosts))
        except pki.NoAuthority:
            return Certificate(name, hosts, present)
    return Certificate(name, hosts, present, due=due)


def _addresses() -> list[str]:
    """Of the nodes that answer: the outside one if a node has one."""
    found = []
    for node in objects.list_objects(kinds.NODE).items:
        if ingress.serves(node["metadata"].get("labels") or {}) and find(node, "Ready").get("status") == "True":
            by_type: dict[str, list[str]] = {}
            for entry in (node.get("status") or {}).get("addresses") or ():
                by_type.setdefault(entry["type"], []).append(entry["address"])
            found += (by_type.get("ExternalIP") or by_type.get("InternalIP") or [])[:1]
    return sorted(found)


def _services(obj: Wire) -> set[str]:
    backends = [obj["spec"].get("defaultBackend") or {}]
    backends += [entry.get("backend") or {} for _, entry in _paths(obj)]
    return {backend["service"]["name"] for backend in backends if backend.get("service")}


def _paths(obj: Wire) -> Iterable[tuple[str, Wire]]:
    for rule in obj["spec"].get("rules") or ():
        for entry in (rule.get("http") or {}).get("paths") or ():
            yield rule.get("host") or "*", entry


def _claims(obj: Wire) -> dict[tuple[str, str, bool], str]:
    """What it wants: host, path and exactness, each with how people write it."""
    found = {}
    for host, entry in _paths(obj):
        path, exact = entry.get("path") or "/", entry.get("pathType") == "Exact"
        found[host, path if exact else path.rstrip("/"), exact] = f"{host}{path}"
    return found


def _taken(obj: Wire, older: Iterable[Wire]) -> dict[str, str]:
    wanted = _claims(obj)
    found: dict[str, str] = {}
    for one in sorted(older, key=_age):
        for claim in _claims(one):
            if claim in wanted:
                found.setdefault(wanted[claim], f"{one['metadata']['namespace']}/{one['metadata']['name']}")
    return found


def _age(obj: Wire) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return metadata["creationTimestamp"], metadata["namespace"], metadata["name"]


def _get(kind: Kind, namespace: str, name: str) -> Wire | None:
    try:
        return objects.get(kind, namespace, name)
    except NotFound:
        return None


def _event(obj: Wire, severity: str, reason: str, message: str) -> Record:
    return Record(obj, severity, reason, message, COMPONENT)
