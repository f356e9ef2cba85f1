"""ResourceQuotas: what is used of them, after something has gone or ended.

What comes is charged by the store in the transaction that makes it (`store.admission.quotas`). Reads quotas; writes their
status, by counting what there is inside a transaction, so that nothing that is being made meanwhile is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds
from schema.base import Wire

_FINISHED = ("Succeeded", "Failed")
_UNCOUNTED = (kinds.EVENT, kinds.LEASE)


class ResourceQuotaController(Controller[None]):
    name = "resourcequota"
    kind = kinds.RESOURCE_QUOTA
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        """A quota's own key; the key without a name is all quotas of a namespace: who sees a change does not know them."""
        if change.kind is kinds.RESOURCE_QUOTA:
            yield change.namespace, change.name
        if change.namespace and change.kind not in _UNCOUNTED and _frees(change):
            yield change.namespace, ""

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if name:
            return super().reconcile(namespace, name)
        for quota in objects.list_objects(kinds.RESOURCE_QUOTA, namespace=namespace).items:
            super().reconcile(namespace, quota["metadata"]["name"])
        return DONE

    def gather(self, obj: Wire) -> None:
        return None

    def plan(self, obj: Wire, children: None, now: datetime) -> Plan:
        metadata = obj["metadata"]
        return Plan([Step("recount", act=partial(objects.recount_quota, metadata["namespace"], metadata["name"]))])


def _frees(change: ChangeRecord) -> bool:
    if change.type is ChangeType.DELETED:
        return True
    if change.kind is not kinds.POD or change.fields["status.phase"] not in _FINISHED:
        return False
    return change.previous_fields["status.phase"] not in _FINISHED
