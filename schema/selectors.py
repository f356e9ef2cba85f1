"""Label and field selectors: parsed once, matched often.

``LabelSelector.parse("app=web,tier in (a, b),!old")`` reads the text of ``labelSelector=``; `LabelSelector.from_object`
reads the object form of a spec. ``FieldSelector.parse("metadata.name=x,status.phase!=Running")`` reads
``fieldSelector=``. Both raise `SelectorError`, whose text is fit for a 400 answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from schema.base import Wire


class SelectorError(ValueError):
    """The selector cannot be read; the message says where."""


class Operator(StrEnum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GREATER = "Gt"
    LESS = "Lt"


@dataclass(frozen=True)
class Requirement:
    """One condition on one label. ``values`` of Gt and Lt is one whole number."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None
            case _:
                return self._compare(value)

    def _compare(self, value: str | None) -> bool:
        try:
            have, bound = int(value or ""), int(next(iter(self.values), ""))
        except ValueError:
            return False
        return have > bound if self.operator is Operator.GREATER else have < bound

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case Operator.IN:
                return f"{self.key}={values}" if len(self.values) == 1 else f"{self.key} in ({values})"
            case Operator.NOT_IN:
                return f"{self.key}!={values}" if len(self.values) == 1 else f"{self.key} notin ({values})"
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.GREATER:
                return f"{self.key}>{values}"
            case Operator.LESS:
                return f"{self.key}<{values}"


_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
_KEY = re.compile(rf"(?:(?=.{{1,253}}/){_PREFIX}/)?{_NAME}", re.ASCII)
_VALUE = re.compile(rf"(?:{_NAME})?", re.ASCII)
_TOKEN = re.compile(r"\s*(?:(==|!=|[=!,()<>])|([^\s=!,()<>]+))", re.ASCII)
_EQUALITY = {"=": Operator.IN, "==": Operator.IN, "!=": Operator.NOT_IN, ">": Operator.GREATER, "<": Operator.LESS}
_SETS = {"in": Operator.IN, "notin": Operator.NOT_IN}
_SYMBOLS = frozenset(["", ",", "(", ")", "=", "==", "!=", "!", "<", ">"])


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        tokens.append(match[1] or match[2])
        position = match.end()
    if text[position:].strip():
        raise SelectorError(f"unable to parse selector {text!r}: unexpected {text[position:]!r}")
    return tokens


class _Parser:
    """Recursive descent over the tokens of one label selector."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.position = 0

    def requirements(self) -> Iterator[Requirement]:
        if not self.tokens:
            return
        while True:
            yield self._requirement()
            if not self._peek():
                return
            self._expect(",")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._next()
            return Requirement(self._key(), Operator.DOES_NOT_EXIST)
        key = self._key()
        symbol = self._peek()
        if symbol in ("", ","):
            return Requirement(key, Operator.EXISTS)
        self._next()
        if symbol in _SETS:
            return Requirement(key, _SETS[symbol], frozenset(self._set()))
        if symbol not in _EQUALITY:
            raise self._error(f"found {symbol!r}, expected one of =, ==, !=, in, notin, >, <")
        return self._equality(key, _EQUALITY[symbol])

    def _equality(self, key: str, operator: Operator) -> Requirement:
        value = "" if self._peek() in ("", ",") else self._value()
        if operator in (Operator.GREATER, Operator.LESS) and not re.fullmatch(r"-?\d+", value):
            raise self._error(f"for 'Gt', 'Lt' operators, the value must be an integer, not {value!r}")
        return Requirement(key, operator, frozenset([value]))

    def _set(self) -> Iterator[str]:
        self._expect("(")
        while True:
            yield "" if self._peek() in (",", ")") else self._value()
            if self._peek() != ",":
                break
            self._next()
        self._expect(")")

    def _key(self) -> str:
        key = self._next()
        if key in _SYMBOLS or not _KEY.fullmatch(key):
            raise self._error(f"found {key!r}, expected a label key" if key else "a label key is missing at the end")
        return key

    def _value(self) -> str:
        value = self._next()
        if value in _SYMBOLS or not _VALUE.fullmatch(value):
            raise self._error(f"found {value!r}, expected a label value")
        return value

    def _peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self.position += 1
        return token

    def _expect(self, symbol: str) -> None:
        found = self._next()
        if found != symbol:
            raise self._error(f"found {found!r}, expected {symbol!r}")

    def _error(self, problem: str) -> SelectorError:
        return SelectorError(f"unable to parse selector {self.text!r}: {problem}")


@dataclass(frozen=True)
class LabelSelector:
    """All requirements must hold; none at all matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(tuple(_Parser(text).requirements()))

    @classmethod
    def from_object(cls, selector: Wire | None) -> Self:
        """From ``{matchLabels, matchExpressions}``. None, an absent selector, matches nothing in Kubernetes."""
        if selector is None:
            return cls((Requirement("", Operator.IN),))
        found = [
            Requirement(key, Operator.IN, frozenset([value]))
            for key, value in (selector.get("matchLabels") or {}).items()
        ]
        found += [_expression(expression) for expression in selector.get("matchExpressions") or ()]
        return cls(tuple(found))

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> Self:
        return cls(tuple(Requirement(key, Operator.IN, frozenset([value])) for key, value in labels.items()))

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        present = labels or {}
        return all(requirement.matches(present) for requirement in self.requirements)

    def __bool__(self) -> bool:
        return bool(self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def of_workload(selector: Wire | None) -> LabelSelector | None:
    """The ``spec.selector`` of a workload: an object with matchLabels or, in the oldest kinds, the labels themselves. None
    where it is absent or empty, and chooses nothing."""
    if not selector:
        return None
    if set(selector) <= {"matchLabels", "matchExpressions"} and not any(isinstance(v, str) for v in selector.values()):
        return LabelSelector.from_object(selector)
    return LabelSelector.from_labels(selector)


def _expression(expression: Wire) -> Requirement:
    try:
        operator = Operator(expression["operator"])
        return Requirement(expression["key"], operator, frozenset(expression.get("values") or ()))
    except (KeyError, ValueError) as problem:
        raise SelectorError(f"{expression!r} is not a valid label selector requirement") from problem


@dataclass(frozen=True)
class FieldTerm:
    """``field = value`` or, ``negated``, ``field != value``."""

    field: str
    value: str
    negated: bool = False

    def matches(self, values: Mapping[str, str]) -> bool:
        return (values.get(self.field, "") == self.value) is not self.negated

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'!=' if self.negated else '='}{escaped}"


_FIELD_TERM = re.compile(r"([^=!,\\]+)(!=|==|=)((?:[^\\,=]|\\[\\,=])*)")


@dataclass(frozen=True)
class FieldSelector:
    """All terms must hold; an absent field is the empty string."""

    terms: tuple[FieldTerm, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(tuple(_field_term(part, text) for part in _split_unescaped(text) if part.strip()))

    def matches(self, values: Mapping[str, str]) -> bool:
        return all(term.matches(values) for term in self.terms)

    def check(self, selectable: Sequence[str]) -> None:
        """Raises `SelectorError` for a field that this kind cannot be selected by."""
        for term in self.terms:
            if term.field not in selectable:
                raise SelectorError(
                    f"field label not supported: {term.field}: this kind can be selected by {', '.join(selectable)}"
                )

    def exact(self, field: str) -> str | None:
        """The value that a match must have in ``field``, if the selector says so."""
        return next((term.value for term in self.terms if term.field == field and not term.negated), None)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


def _split_unescaped(text: str) -> list[str]:
    return [match[0] for match in re.finditer(r"(?:[^,\\]|\\.)+", text, re.DOTALL)]


def _field_term(part: str, text: str) -> FieldTerm:
    match = _FIELD_TERM.fullmatch(part.strip())
    if match is None:
        raise SelectorError(f"invalid field selector {text!r}: {part!r} is not field=value or field!=value")
    value = re.sub(r"\\(.)", r"\1", match[3])
    return FieldTerm(match[1].strip(), value, negated=match[2] == "!=")
