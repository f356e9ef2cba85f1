"""Node selector terms: the requirements of node affinity, evaluated on a node's labels and fields. Pure.

Semantics are those of Kubernetes' ``NodeSelector``: terms are alternatives, requirements within a term must all hold,
an empty term matches nothing, and ``NotIn`` holds where the label is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schema.base import Wire


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: str
    values: tuple[str, ...] = ()

    @classmethod
    def parse(cls, wire: Wire) -> Requirement:
        return cls(wire.get("key", ""), wire.get("operator", ""), tuple(wire.get("values") or ()))

    def holds(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
            case _:
                return False

    def _compares(self, value: str | None) -> bool:
        if value is None or len(self.values) != 1:
            return False
        try:
            difference = int(value) - int(self.values[0])
        except ValueError:
            return False
        return difference > 0 if self.operator == "Gt" else difference < 0

    def __str__(self) -> str:
        listed = ", ".join(self.values)
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={listed}"
            case "In":
                return f"{self.key} in ({listed})"
            case "NotIn":
                return f"{self.key} not in ({listed})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case _:
                return f"{self.key} {'>' if self.operator == 'Gt' else '<'} {listed}"


@dataclass(frozen=True)
class Term:
    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    """Only ``metadata.name`` exists."""

    @classmethod
    def parse(cls, wire: Wire) -> Term:
        return cls(
            tuple(Requirement.parse(each) for each in wire.get("matchExpressions") or ()),
            tuple(Requirement.parse(each) for each in wire.get("matchFields") or ()),
        )

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        if not self.labels and not self.fields:
            return False
        fields = {"metadata.name": name}
        return all(each.holds(labels) for each in self.labels) and all(each.holds(fields) for each in self.fields)

    def __str__(self) -> str:
        return ",".join(str(each) for each in (*self.labels, *self.fields))


def parse_terms(wires: Sequence[Wire] | None) -> tuple[Term, ...]:
    return tuple(Term.parse(each) for each in wires or ())


def any_matches(terms: Sequence[Term], name: str, labels: Mapping[str, str]) -> bool:
    return any(term.matches(name, labels) for term in terms)
