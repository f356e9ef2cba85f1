"""Ingresses: where they answer, their certificates, and what keeps parts of them from being served.

A certificate that an Ingress names and nobody has made is signed by the cluster's own authority and renewed a month before
its end; a Secret of the users' is never touched. The requests themselves are the agents' (`nodeagent.ingress`).

Reads Ingresses, their classes, nodes, services and Secrets. Writes: status.loadBalancer, the condition Ready, and Secrets that
carry the annotation ``slipway.dev/issued-by: cluster-authority``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from controlplane.access import pki
from controlplane.controllers import certificates
from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.store import objects
from controlplane.store.objects import ChangeRecord, Write
from schema import kinds
from schema.base import Wire
from schema.networking import ingress
from schema.networking.ingress import ACME, AUTHORITY

READY = "Ready"
COMPONENT = "ingress-controller"
_LONGEST_WAIT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Signed:
    """A certificate, and a new chain and key where the authority has to sign one."""

    certificate: certificates.Certificate
    fresh: tuple[bytes, bytes] | None = None
    refusal: str = ""
    """Why the authority does not sign it."""


@dataclass(frozen=True)
class Surroundings:
    served: bool
    """By us."""
    addresses: Sequence[str] = ()
    certificates: Sequence[Signed] = ()
    services: frozenset[str] = frozenset()
    """Those that exist, of those it names."""
    taken: dict[str, str] = field(default_factory=dict)
    """Host and path to the older Ingress that has it."""
    troubles: Sequence[str] = ()
    """Of nodes that should answer and do not."""


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
        elif change.kind is kinds.SERVICE or _is_certificate(change):
            yield change.namespace, ""

    def reconcile(self, namespace: str, name: str) -> Verdict:
        """A key without a name is every Ingress (of the namespace)."""
        if name:
            return super().reconcile(namespace, name)
        found = objects.list_objects(kinds.INGRESS, namespace=namespace).items
        verdicts = [super(IngressController, self).reconcile(*_key(wire)) for wire in found]
        # One look again at all of them is enough: it comes for the first that asked for it.
        waiting = [one for one in verdicts if one.again_after is not None]
        return min(waiting, key=lambda one: one.again_after or 0.0, default=DONE)

    def gather(self, obj: Wire) -> Surroundings:
        classes = certificates.own_classes()
        own = classes.get(obj["spec"].get("ingressClassName") or "")
        if own is None:
            return Surroundings(served=False)
        namespace = obj["metadata"]["namespace"]
        found = {name: certificates.find_object(kinds.SERVICE, namespace, name) for name in _services(obj)}
        names = frozenset(name for name, service in found.items() if service is not None)
        others = [
            one
            for one in objects.list_objects(kinds.INGRESS).items
            if one["spec"].get("ingressClassName") in classes and _age(one) < _age(obj)
        ]
        issuer = certificates.issuer(obj, own)
        addresses, troubles = _answering()
        return Surroundings(
            True,
            addresses,
            [_signed(one, issuer) for one in certificates.of_ingress(obj, issuer)],
            names,
            _taken(obj, others),
            troubles,
        )

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        if not children.served:
            return Plan()
        writes, said, problems = _issue(obj, children.certificates)
        problems += [f"the service {name} does not exist" for name in sorted(_services(obj) - children.services)]
        problems += [
            f"{where} is the Ingress {owner}'s, which is older" for where, owner in sorted(children.taken.items())
        ]
        problems += children.troubles
        if not children.addresses and not children.troubles:
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


def _issue(obj: Wire, found: Iterable[Signed]) -> tuple[list[Write], list[Record], list[str]]:
    writes: list[Write] = []
    said: list[Record] = []
    problems: list[str] = []
    for signed in found:
        one = signed.certificate
        if signed.fresh is not None:
            writes.append(certificates.write(obj, one, signed.fresh, AUTHORITY))
            said.append(_event(obj, "Normal", "CertificateIssued", f"{one.secret}, for {', '.join(one.hosts)}"))
        elif signed.refusal:
            problems.append(f"the certificate {one.secret} is not issued: {signed.refusal}")
        elif one.present is None:
            problems.append(f"the certificate {one.secret} does not exist")
        elif not all((one.present.get("data") or {}).get(key) for key in ("tls.crt", "tls.key")):
            problems.append(f"the Secret {one.secret} has no tls.crt and tls.key")
    return writes, said, problems


def _renewal(children: Surroundings, now: datetime) -> Wait | None:
    dues = [signed.certificate.due for signed in children.certificates if signed.certificate.due is not None]
    if not dues:
        return None
    seconds = max((min(dues) - now).total_seconds(), 60.0)
    return Wait(min(seconds, _LONGEST_WAIT_SECONDS), "its certificate is to be renewed")


# Reading


def _signed(one: certificates.Certificate, issuer: str) -> Signed:
    """With a new pair where the authority has to sign: what it signed is due, or what an ACME server issued is of no use."""
    if not one.ours or (issuer == ACME and certificates.serves_still(one)):
        return Signed(one)
    if issuer == AUTHORITY and one.due is not None and one.due > datetime.now(one.due.tzinfo):
        return Signed(one)
    try:
        return Signed(one, pki.issue(settings.HOME, one.hosts))
    except pki.Reserved as reserved:
        return Signed(one, refusal=str(reserved))
    except pki.NoAuthority:
        return Signed(one)


def _is_certificate(change: ChangeRecord) -> bool:
    return change.kind is kinds.SECRET and change.object.get("type") == certificates.TLS


def _key(obj: Wire) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _answering() -> tuple[list[str], list[str]]:
    """Addresses of the nodes that answer, the outside one if a node has one; and why others that should do not."""
    found: list[str] = []
    troubles: list[str] = []
    for node in objects.list_objects(kinds.NODE).items:
        if not ingress.serves(node["metadata"].get("labels") or {}) or find(node, "Ready").get("status") != "True":
            continue
        proxy = find(node, ingress.SERVING)
        if proxy.get("status") == "False":
            troubles.append(f"{node['metadata']['name']} does not answer: {proxy.get('message')}")
            continue
        by_type: dict[str, list[str]] = {}
        for entry in (node.get("status") or {}).get("addresses") or ():
            by_type.setdefault(entry["type"], []).append(entry["address"])
        found += (by_type.get("ExternalIP") or by_type.get("InternalIP") or [])[:1]
    return sorted(found), sorted(troubles)


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


def _event(obj: Wire, severity: str, reason: str, message: str) -> Record:
    return Record(obj, severity, reason, message, COMPONENT)
