"""When an Indexed job has succeeded before all of its indexes have. Pure."""

from __future__ import annotations

from schema import indexes
from schema.base import Wire


def met(policy: Wire | None, completed: set[int], completions: int) -> str:
    """Which rule suffices, in a sentence; empty while none does."""
    for position, rule in enumerate((policy or {}).get("rules") or ()):
        wanted = rule.get("succeededIndexes")
        relevant = completed if wanted is None else completed & indexes.read(wanted, completions)
        needed = rule.get("succeededCount")
        if needed is None:
            needed = len(indexes.read(wanted, completions))
        if len(relevant) >= needed:
            return f"Matched rules at index {position}"
    return ""
