"""Defaulting and validation of objects, and what to tell writers about their fields.

A write goes: `unknown_fields` (warn or refuse), `default` (in place, drops unknown fields), `validate`; if there are no
causes the object is stored, and `unsupported` gives warnings for the answer.
"""

from __future__ import annotations

from schema import fields
from schema.base import Wire
from schema.defaulting import default
from schema.kinds import Kind
from schema.validation import custom
from schema.validation.causes import Cause, Problems
from schema.validation.duplicates import duplicate_fields
from schema.validation.objects import validate

__all__ = ["Cause", "Problems", "default", "duplicate_fields", "unknown_fields", "unsupported", "validate"]


def unknown_fields(kind: Kind, wire: Wire) -> list[str]:
    """Paths of fields that the kind does not have, in the order of the object. Ask before `default` drops them."""
    if kind.custom is not None:
        return custom.unknown_fields(kind.custom, wire)
    return list(fields.unknown(kind.model, wire))


def unsupported(kind: Kind, wire: Wire) -> list[str]:
    """A sentence for each field that is accepted and stored but not honoured yet."""
    return list(fields.unsupported(kind.model, wire))
