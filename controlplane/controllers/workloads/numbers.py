"""Numbers that may be percentages. Pure."""

from __future__ import annotations


def scaled(value: int | str, total: int, *, round_up: bool) -> int:
    """``"25%"`` of a total, or the number itself."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))
    return -(-percent * total // 100) if round_up else percent * total // 100
