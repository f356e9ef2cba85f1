"""Regular expressions as Kubernetes' schemas have them: RE2, which matches in time linear in the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

MAX_LENGTH = 4096
_MEMORY_BYTES = 8 * 1024 * 1024


class PatternError(ValueError):
    """It is no regular expression, or too large a one."""


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Raises `PatternError`."""
    if len(pattern) > MAX_LENGTH:
        raise PatternError(f"must have at most {MAX_LENGTH} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return re2.compile(pattern, options)  # type: ignore[no-untyped-call]
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        text = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        raise PatternError(f"must be a valid regular expression (RE2): {text}") from None


def found(pattern: str, text: str) -> bool:
    return compiled(pattern).search(text) is not None
