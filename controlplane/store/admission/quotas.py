"""ResourceQuotas: what a namespace has used, and that it is never more than it may.

``status.used`` is charged in the transaction that makes an object. What goes, or ends, is taken off later by the
controller (`recount`), so ``used`` may for a moment be too high and is never too low. Before anything is refused it is
counted anew, so a refusal is never for what has gone already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from controlplane.store import codec, kinds
from controlplane.store.admission import usage
from controlplane.store.admission.usage import Amounts
from controlplane.store.codec import Row
from controlplane.store.errors import Forbidden
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import EVENT, LEASE, POD, RESOURCE_QUOTA, Kind

_FREE = (EVENT, LEASE)
"""Said by the system itself: a full namespace must still be able to say why it is full."""


@dataclass(frozen=True)
class Charge:
    """A quota's row as it is, and as it will be."""

    old: Row
    new: Row


def charge(
    tx: Transaction, kind: Kind, namespace: str, name: str, wire: Wire, before: Wire | None = None
) -> list[Charge]:
    """What a new object, or one that was ``before`` something else, costs. Raises `Forbidden` where it is too much."""
    if not kind.namespaced or kind in _FREE:
        return []
    charges = []
    for row in tx.rows_in(kinds.of(RESOURCE_QUOTA), namespace):
        found = _charge(tx, row, kind, name, wire, before)
        if found is not None:
            charges.append(found)
    return charges


def _charge(tx: Transaction, row: Row, kind: Kind, name: str, wire: Wire, before: Wire | None) -> Charge | None:
    hard = row.spec.get("hard") or {}
    if before is None and kind is POD and usage.in_scope(row.spec, kind, wire):
        _refuse_unnamed(row.name, hard, name, wire)
    cost = _cost(row.spec, kind, wire, before)
    if not cost:
        return None
    used = _used(row)
    fresh = used is None
    if used is None:
        used = count(tx, row)
    excess = _excess(hard, used, cost)
    if excess and not fresh:
        used = count(tx, row)
        excess = _excess(hard, used, cost)
    if excess:
        raise _exceeded(row.name, kind, name, excess, (cost, used, _numbers(hard)))
    total = {resource: used.get(resource, 0) + cost.get(resource, 0) for resource in hard}
    return Charge(row, replace(row, status=status(hard, total)))


def _cost(spec: Wire, kind: Kind, wire: Wire, before: Wire | None) -> Amounts:
    """What changes of each limited resource; empty where the quota is not concerned."""
    hard = spec.get("hard") or {}
    after = usage.of(kind, wire) if usage.in_scope(spec, kind, wire) else {}
    earlier = usage.of(kind, before) if before is not None and usage.in_scope(spec, kind, before) else {}
    differences = {name: after.get(name, 0) - earlier.get(name, 0) for name in (*after, *earlier) if name in hard}
    return {name: difference for name, difference in differences.items() if difference}


def _used(row: Row) -> Amounts | None:
    """As it was written down; None where that is not about these limits."""
    hard, used = row.spec.get("hard") or {}, row.status.get("used") or {}
    if row.status.get("hard") != hard or set(used) != set(hard):
        return None
    return _numbers(used)


def _numbers(amounts: Mapping[str, str]) -> Amounts:
    return {name: usage.amount(name, value) for name, value in amounts.items()}


def _excess(hard: Mapping[str, str], used: Amounts, cost: Amounts) -> list[str]:
    return sorted(
        name for name, more in cost.items() if more > 0 and used.get(name, 0) + more > usage.amount(name, hard[name])
    )


def status(hard: Mapping[str, str], used: Amounts) -> Wire:
    return {"hard": dict(hard), "used": {name: usage.text(name, used.get(name, 0)) for name in hard}}


def count(tx: Transaction, row: Row) -> Amounts:
    """What there is, as the transaction sees it."""
    hard = row.spec.get("hard") or {}
    total: Amounts = dict.fromkeys(hard, 0)
    for storage in kinds.everything():
        if storage.kind not in usage.kinds_of(hard, [storage.kind]):
            continue
        for each in tx.rows_in(storage, row.namespace):
            for name, value in _cost(row.spec, storage.kind, codec.wire(each), None).items():
                total[name] += value
    return total


def recount(tx: Transaction, namespace: str, name: str) -> None:
    """Put the status right. A quota that is gone needs none."""
    row = tx.row(kinds.of(RESOURCE_QUOTA), namespace, name)
    if row is None:
        return
    wanted = status(row.spec.get("hard") or {}, count(tx, row))
    if wanted != row.status:
        tx.changed(row, replace(row, status=wanted))


# Refusals


def _refuse_unnamed(quota: str, hard: Mapping[str, str], name: str, pod: Wire) -> None:
    lacking = usage.unnamed(hard, pod)
    if lacking:
        said = "; ".join(f"{resource} for: {','.join(containers)}" for resource, containers in lacking.items())
        raise Forbidden(f'pods "{name}" is forbidden: failed quota: {quota}: must specify {said}', kind=POD, name=name)


def _exceeded(
    quota: str, kind: Kind, name: str, excess: list[str], amounts: tuple[Amounts, Amounts, Amounts]
) -> Forbidden:
    requested, used, limited = (
        ",".join(f"{resource}={usage.text(resource, each.get(resource, 0))}" for resource in excess) for each in amounts
    )
    return Forbidden(
        f'{kind.group_resource} "{name}" is forbidden: exceeded quota: {quota}, '
        f"requested: {requested}, used: {used}, limited: {limited}",
        kind=kind,
        name=name,
    )
