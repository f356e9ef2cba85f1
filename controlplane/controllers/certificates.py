"""The certificates that an Ingress names: who issues each, how it stands, how a new one is written.

Two controllers work on them, each for its own issuer: `ingress` signs by the cluster's authority whatever nobody else has made,
and what an ACME server has issued only once it is of no use any more; `acme` puts the server's certificate in its place.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from controlplane.access import pki
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import Create, Patch, Write
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind
from schema.networking import ingress
from schema.networking.ingress import ACME, AUTHORITY

TLS = "kubernetes.io/tls"


@dataclass(frozen=True)
class Certificate:
    namespace: str
    secret: str
    hosts: tuple[str, ...]
    present: Wire | None
    ours: bool
    """It is made by us, or nobody has made it."""
    due: datetime | None = None
    """When it is to be renewed; None: it is not there, not by the issuer asked for, or not for these hosts."""

    @property
    def issued_by(self) -> str:
        return _annotations(self.present or {"metadata": {}}).get(ingress.ISSUED_BY, "")

    @property
    def chain(self) -> bytes:
        return base64.b64decode(((self.present or {}).get("data") or {}).get("tls.crt") or "")


def own_classes() -> dict[str, Wire]:
    """The Ingress classes that we serve, by name."""
    found = objects.list_objects(kinds.INGRESS_CLASS).items
    return {one["metadata"]["name"]: one for one in found if one["spec"].get("controller") == ingress.CONTROLLER}


def issuer(obj: Wire, own_class: Wire) -> str:
    """Who shall sign for the Ingress: its own word, its class's, else an ACME server if one is set."""
    for one in (obj, own_class):
        if word := _annotations(one).get(ingress.ISSUER):
            return word
    return ACME if settings.ACME_DIRECTORY else AUTHORITY


def of_ingress(obj: Wire, by: str) -> Iterator[Certificate]:
    """``by``: the issuer that is asked for."""
    namespace = obj["metadata"]["namespace"]
    for entry in obj["spec"].get("tls") or ():
        name = ingress.secret_name(obj["metadata"]["name"], entry)
        hosts = tuple(dict.fromkeys(ingress.tls_hosts(obj["spec"], entry)))
        present = find_object(kinds.SECRET, namespace, name)
        issued_by = _annotations(present).get(ingress.ISSUED_BY) if present else None
        ours = bool(hosts) and (present is None or issued_by in (AUTHORITY, ACME))
        one = Certificate(namespace, name, hosts, present, ours)
        due = _due(one, by) if ours and issued_by == by else None
        yield Certificate(namespace, name, hosts, present, ours, due)


def _due(one: Certificate, by: str) -> datetime | None:
    return pki.good_until(one.chain, one.hosts) if by == AUTHORITY else pki.two_thirds(one.chain, one.hosts)


def serves_still(one: Certificate) -> bool:
    """A certificate of an ACME server, whether due or not, is better than none."""
    ends = pki.ends(one.chain, one.hosts)
    return ends is not None and ends > meta.now()


def write(obj: Wire, one: Certificate, pair: tuple[bytes, bytes], by: str) -> Write:
    chain, key = (base64.b64encode(part).decode() for part in pair)
    data = {"tls.crt": chain, "tls.key": key}
    if one.present is not None:

        def change(stored: Wire) -> Wire:
            annotations = {**_annotations(stored), ingress.ISSUED_BY: by}
            return {**stored, "metadata": {**stored["metadata"], "annotations": annotations}, "data": data}

        return Patch(kinds.SECRET, one.namespace, one.secret, change)
    metadata = {
        "namespace": one.namespace,
        "name": one.secret,
        "annotations": {ingress.ISSUED_BY: by},
        "ownerReferences": [owner(obj)],
    }
    return Create(kinds.SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": TLS, "data": data})


def owner(obj: Wire) -> Wire:
    return {
        "apiVersion": kinds.INGRESS.api_version,
        "kind": kinds.INGRESS.kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
    }


def find_object(kind: Kind, namespace: str, name: str) -> Wire | None:
    try:
        return objects.get(kind, namespace, name)
    except NotFound:
        return None


def _annotations(obj: Wire) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}
