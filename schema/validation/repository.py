"""Repository: it stays the one it is."""

from __future__ import annotations

from schema.base import Wire
from schema.registry.repository import Repository
from schema.validation.causes import Problems


def check(wanted: Repository, problems: Problems) -> None:
    if wanted.spec.path.partition("/")[0] != wanted.metadata.namespace:
        problems.invalid("spec.path", wanted.spec.path, "must begin with the namespace and a slash")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    if (new.get("spec") or {}).get("path") != (old.get("spec") or {}).get("path"):
        problems.forbidden("spec.path", "may not be changed in an update.")
