"""Repository: it stays the one it is."""

from __future__ import annotations

import re

from schema.base import Wire
from schema.slipway.repository import Repository
from schema.validation.causes import Problems
from schema.validation.names import subdomain_fault

_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+", re.ASCII)
_LONGEST = 255


def check(wanted: Repository, problems: Problems) -> None:
    path = wanted.spec.path
    namespace, _, rest = path.partition("/")
    if namespace != wanted.metadata.namespace:
        problems.invalid("spec.path", path, "must begin with the namespace and a slash")
    elif not _PATH.fullmatch(path) or len(path) > _LONGEST:
        problems.invalid(
            "spec.path", path, "must be namespace/name in lower-case letters, digits and single '.', '_', '-'"
        )
    elif not subdomain_fault(rest) and len(rest) <= 200 and rest != wanted.metadata.name:
        problems.invalid(
            "spec.path", path, f"must be {namespace}/{wanted.metadata.name}: the object has the repository's name"
        )


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    if (new.get("spec") or {}).get("path") != (old.get("spec") or {}).get("path"):
        problems.forbidden("spec.path", "may not be changed in an update.")
