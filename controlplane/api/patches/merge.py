"""JSON merge patch (RFC 7386)."""

from __future__ import annotations

import copy
from typing import Any

from controlplane.api.patches.errors import deep_nesting_refused


@deep_nesting_refused()
def merge_patch(target: Any, patch: Any) -> Any:
    """Objects merge field by field, null removes, everything else replaces. Raises `PatchError`."""
    return _merge(target, patch)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
