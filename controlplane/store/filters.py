"""Selectors as SQL. What SQL cannot say is left over and checked in Python on the rows that SQL found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from controlplane.store.storage import Storage
from schema.base import Wire
from schema.selectors import FieldSelector, FieldTerm, LabelSelector, Operator, Requirement


@dataclass
class Where:
    """Conditions joined by AND, with their parameters in order; and the requirements left to Python."""

    conditions: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    labels: list[Requirement] = field(default_factory=list)
    terms: list[FieldTerm] = field(default_factory=list)

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    @property
    def sql(self) -> str:
        return " AND ".join(self.conditions) or "1 = 1"

    @property
    def is_partial(self) -> bool:
        return bool(self.labels or self.terms)

    def matches_rest(self, storage: Storage, wire: Wire) -> bool:
        labels = wire["metadata"].get("labels") or {}
        if not all(requirement.matches(labels) for requirement in self.labels):
            return False
        if not self.terms:
            return True
        values = storage.kind.field_values(wire)
        return all(term.matches(values) for term in self.terms)


def where(storage: Storage, namespace: str, labels: LabelSelector | None, fields: FieldSelector | None) -> Where:
    built = Where()
    if namespace:
        built.add("namespace = %s", namespace)
    for requirement in labels.requirements if labels else ():
        _add_label(built, storage, requirement)
    for term in fields.terms if fields else ():
        _add_field(built, storage, term)
    return built


_COLUMNS = {"metadata.name": "name", "metadata.namespace": "namespace"}


def _add_field(built: Where, storage: Storage, term: FieldTerm) -> None:
    column = _COLUMNS.get(term.field) or storage.field_columns.get(term.field)
    if column is None:
        built.terms.append(term)
    else:
        built.add(f"{column} {'<>' if term.negated else '='} %s", term.value)


def _add_label(built: Where, storage: Storage, requirement: Requirement) -> None:
    of_key = "SELECT uid FROM store_label WHERE kind = %s AND key = %s"
    values = sorted(requirement.values)
    marks = ", ".join(["%s"] * len(values))
    match requirement.operator:
        case Operator.IN if not values:
            built.add("1 = 0")
        case Operator.IN:
            built.add(f"uid IN ({of_key} AND value IN ({marks}))", storage.id, requirement.key, *values)
        case Operator.NOT_IN if values:
            built.add(f"uid NOT IN ({of_key} AND value IN ({marks}))", storage.id, requirement.key, *values)
        case Operator.EXISTS:
            built.add(f"uid IN ({of_key})", storage.id, requirement.key)
        case Operator.DOES_NOT_EXIST:
            built.add(f"uid NOT IN ({of_key})", storage.id, requirement.key)
        case Operator.NOT_IN:
            pass
        case _:
            built.labels.append(requirement)
