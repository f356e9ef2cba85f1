"""Eviction: a delete that disruption budgets may refuse.

All in one transaction: the budgets are looked at, charged, and the pod is marked as deleted. Whoever comes second sees both.
Beside what the controller wrote into a budget's status, the pods that are ready now are counted, so a pod that fell ill since
then is not overlooked.
"""

from __future__ import annotations

from dataclasses import replace

from controlplane.store import deletion, kinds, write
from controlplane.store.codec import Row
from controlplane.store.deletion import Deletion
from controlplane.store.errors import NotNow
from controlplane.store.kinds import pod
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import POD, POD_DISRUPTION_BUDGET
from schema.meta import DeleteOptions
from schema.selectors import LabelSelector, SelectorError

RETRY_SECONDS = 1
"""A client waits so long before it asks again by itself."""
UNSEEN_RETRY_SECONDS = 1
_EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}


def evict(tx: Transaction, namespace: str, name: str, options: DeleteOptions) -> Deletion:
    """Raises `NotNow` where a budget forbids it, `NotFound` and `Conflict` as a delete does."""
    row = write.require(tx, kinds.of(POD), namespace, name)
    if not _is_nobodys_loss(row):
        budgets = [
            each for each in tx.rows_in(kinds.of(POD_DISRUPTION_BUDGET), namespace) if covers(each.spec, row.labels)
        ]
        charged = [each for each in budgets if _charges(tx, each, row)]
        for budget in charged:
            left = budget.status.get("disruptionsAllowed", 0) - 1
            tx.changed(budget, replace(budget, status={**budget.status, "disruptionsAllowed": left}))
        row = _marked(tx, row)
    return deletion.delete(tx, POD, namespace, row.name, options)


def covers(spec: Wire, labels: dict[str, str]) -> bool:
    """Whether a budget is about a pod with these labels."""
    try:
        return LabelSelector.from_object(spec.get("selector")).matches(labels)
    except SelectorError:
        return False


def is_ready(status: Wire) -> bool:
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ())


def _is_nobodys_loss(row: Row) -> bool:
    """It has ended, has not begun, or is ending: no budget counts it."""
    phase = row.status.get("phase") or "Pending"
    return bool(row.deleted_at) or phase in (*pod.FINISHED, "Pending")


def _charges(tx: Transaction, budget: Row, row: Row) -> bool:
    """Whether the eviction takes something of the budget. Raises `NotNow` where there is nothing left."""
    healthy = _healthy(tx, budget)
    desired = budget.status.get("desiredHealthy", 0)
    if not is_ready(row.status):
        if budget.spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
            return False
        if 0 < desired <= healthy:
            return False
    if budget.status.get("observedGeneration", 0) < budget.generation:
        raise _refusal(
            budget,
            row,
            f"The disruption budget {budget.name} is still being processed by the server.",
            UNSEEN_RETRY_SECONDS,
        )
    if budget.status.get("disruptionsAllowed", 0) <= 0 or (is_ready(row.status) and healthy <= desired):
        why = f"The disruption budget {budget.name} needs {desired} healthy pods and has {healthy} currently"
        raise _refusal(budget, row, why, RETRY_SECONDS)
    return True


def _healthy(tx: Transaction, budget: Row) -> int:
    pods = tx.rows_in(kinds.of(POD), budget.namespace)
    return sum(1 for each in pods if not each.deleted_at and is_ready(each.status) and covers(budget.spec, each.labels))


def _refusal(budget: Row, row: Row, why: str, seconds: int) -> NotNow:
    return NotNow(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        kind=POD,
        name=row.name,
        cause="DisruptionBudget",
        detail=why,
        retry_after_seconds=seconds,
    )


def _marked(tx: Transaction, row: Row) -> Row:
    conditions = [each for each in row.status.get("conditions") or () if each.get("type") != _EVICTED["type"]]
    told = {**_EVICTED, "lastTransitionTime": write.now()}
    marked = replace(row, status={**row.status, "conditions": [*conditions, told]})
    tx.changed(row, marked)
    return marked
