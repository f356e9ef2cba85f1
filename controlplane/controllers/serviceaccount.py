"""What every namespace is born with: the ServiceAccount ``default`` and the ConfigMap ``kube-root-ca.crt``.

Reads namespaces, these two objects and the CA certificate in the home. Writes the two objects: made where missing, the
certificate put right where it differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.configmap import ConfigMap
from controlplane.store.kinds.namespace import Namespace
from controlplane.store.kinds.serviceaccount import ServiceAccount
from controlplane.store.objects import ChangeRecord, ChangeType, Create, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_NAMES = {kinds.SERVICE_ACCOUNT: ACCOUNT, kinds.CONFIG_MAP: ROOT_CA}


@dataclass(frozen=True)
class Present:
    account: bool
    certificate: Wire | None
    """The ConfigMap, if it is there."""
    authority: str
    """The CA certificate; empty where the API runs without one of our own."""


class ServiceAccountController(Controller[Present]):
    name = "serviceaccount"
    kind = kinds.NAMESPACE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NAMESPACE:
            if change.type is ChangeType.ADDED:
                yield "", change.name
        elif _NAMES.get(change.kind) == change.name and change.type is not ChangeType.ADDED:
            yield "", change.namespace

    def all_keys(self) -> Iterable[Key]:
        """Those that lack one of the two."""
        homes = Namespace.objects.filter(deleted_at="").order_by("name")
        accounts = ServiceAccount.objects.filter(name=ACCOUNT).values("namespace")
        lacking = ~Q(name__in=accounts)
        if _authority():
            lacking |= ~Q(name__in=ConfigMap.objects.filter(name=ROOT_CA).values("namespace"))
        return [("", name) for name in homes.filter(lacking).values_list("name", flat=True)]

    def gather(self, obj: Wire) -> Present:
        namespace = obj["metadata"]["name"]
        account = _find(kinds.SERVICE_ACCOUNT, namespace, ACCOUNT)
        return Present(account is not None, _find(kinds.CONFIG_MAP, namespace, ROOT_CA), _authority())

    def plan(self, obj: Wire, children: Present, now: datetime) -> Plan:
        namespace = obj["metadata"]["name"]
        writes: list[Write] = []
        if not children.account:
            writes.append(Create(kinds.SERVICE_ACCOUNT, _object(kinds.SERVICE_ACCOUNT, namespace, ACCOUNT)))
        data = {"ca.crt": children.authority}
        if children.authority and children.certificate is None:
            writes.append(Create(kinds.CONFIG_MAP, {**_object(kinds.CONFIG_MAP, namespace, ROOT_CA), "data": data}))
        elif children.authority and children.certificate and children.certificate.get("data") != data:
            writes.append(Patch(kinds.CONFIG_MAP, namespace, ROOT_CA, lambda stored: {**stored, "data": data}))
        return Plan([Step("furnish", writes)] if writes else [])


def _find(kind: Kind, namespace: str, name: str) -> Wire | None:
    try:
        return objects.get(kind, namespace, name)
    except NotFound:
        return None


def _authority() -> str:
    try:
        return (settings.HOME / "pki" / "ca.crt").read_text()
    except OSError:
        return ""


def _object(kind: Kind, namespace: str, name: str) -> Wire:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"namespace": namespace, "name": name},
    }
