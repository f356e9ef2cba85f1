"""Objects of custom kinds: their metadata as everywhere, and the rest by their definition's schema."""

from __future__ import annotations

from schema import fields
from schema.base import Wire
from schema.custom import checking, pruning
from schema.custom.resource import Custom
from schema.kind import Kind
from schema.meta import Object, ObjectMeta
from schema.validation import metadata
from schema.validation.causes import Problems
from schema.validation.names import subdomain_fault


def unknown_fields(custom: Custom, wire: Wire) -> list[str]:
    given = wire.get("metadata")
    of_metadata = fields.unknown(ObjectMeta, given, "metadata") if isinstance(given, dict) else ()
    return [*of_metadata, *pruning.unknown(custom.schema, wire)]


def check(kind: Kind, custom: Custom, read: Object, new: Wire, old: Wire | None, problems: Problems) -> None:
    metadata.check(read.metadata, namespaced=kind.namespaced, name_fault=subdomain_fault, problems=problems)
    if old is not None:
        metadata.check_update(new, old, problems)
    checking.check(custom.schema, new, old, problems)
