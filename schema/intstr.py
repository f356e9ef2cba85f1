"""Numbers that may be percentages: ``3`` or ``"25%"``."""

from __future__ import annotations

import re

_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def is_percent(value: object) -> bool:
    return isinstance(value, str) and _PERCENT.fullmatch(value) is not None


def fault(value: int | str, *, most_percent: int | None = None) -> str:
    """Why it is none; empty if it is one."""
    if isinstance(value, str):
        if not is_percent(value):
            return "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%')"
        if most_percent is not None and int(value[:-1]) > most_percent:
            return f"must not be greater than {most_percent}%"
        return ""
    return "must be greater than or equal to 0" if value < 0 else ""


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """The number meant, of a total; rounded ``up`` or down. Raises ValueError for what is no percentage."""
    if isinstance(value, int):
        return value
    if not is_percent(value):
        raise ValueError(f"{value!r} is no percentage")
    product = int(value[:-1]) * total
    return -(-product // 100) if up else product // 100
