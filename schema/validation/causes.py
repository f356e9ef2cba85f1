"""What is wrong with an object: one `Cause` per fault, worded as Kubernetes words them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

REQUIRED = "FieldValueRequired"
INVALID = "FieldValueInvalid"
NOT_SUPPORTED = "FieldValueNotSupported"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
TYPE_INVALID = "FieldValueTypeInvalid"
TOO_LONG = "FieldValueTooLong"
NOT_FOUND = "FieldValueNotFound"

_LONGEST_VALUE = 200
"""A message repeats the faulty value, but not all of a megabyte."""


@dataclass(frozen=True)
class Cause:
    """``reason`` for programs, ``message`` for people, ``field`` as ``spec.containers[0].image``."""

    reason: str
    message: str
    field: str


@dataclass
class Problems:
    """Gathers causes. Methods are named for the reason; paths are those of the wire object."""

    causes: list[Cause] = field(default_factory=list)

    def add(self, reason: str, path: str, message: str) -> None:
        self.causes.append(Cause(reason, message, path))

    def required(self, path: str, why: str = "") -> None:
        self.add(REQUIRED, path, f"Required value: {why}" if why else "Required value")

    def invalid(self, path: str, value: Any, why: str) -> None:
        self.add(INVALID, path, f"Invalid value: {shown(value)}: {why}")

    def not_supported(self, path: str, value: Any, words: Iterable[str]) -> None:
        options = ", ".join(f'"{word}"' for word in sorted(words))
        self.add(NOT_SUPPORTED, path, f"Unsupported value: {shown(value)}: supported values: {options}")

    def duplicate(self, path: str, value: Any) -> None:
        self.add(DUPLICATE, path, f"Duplicate value: {shown(value)}")

    def forbidden(self, path: str, why: str) -> None:
        self.add(FORBIDDEN, path, f"Forbidden: {why}")

    def not_found(self, path: str, value: Any) -> None:
        self.add(NOT_FOUND, path, f"Not found: {shown(value)}")

    def too_long(self, path: str, limit: int) -> None:
        self.add(TOO_LONG, path, f"Too long: may not be more than {limit} bytes")

    def immutable(self, path: str, new: Any) -> None:
        self.invalid(path, new, "field is immutable")


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
