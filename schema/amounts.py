"""Amounts that are a number or a share of a whole: ``2``, ``"25%"`` (Kubernetes' IntOrString). Pure."""

from __future__ import annotations

import re

_PERCENT = re.compile(r"([0-9]{1,9})%", re.ASCII)


def percentage(value: int | str) -> int | None:
    """25 for ``"25%"``; None for what is no percentage."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else None


def valid(value: object) -> bool:
    """A number of at least 0, or a percentage."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return False
    return value >= 0 if isinstance(value, int) else percentage(value) is not None


def resolve(value: int | str, whole: int, *, round_up: bool) -> int:
    """How many of ``whole`` are meant. Raises ValueError for a string that is no percentage."""
    if isinstance(value, int):
        return value
    percent = percentage(value)
    if percent is None:
        raise ValueError(f"{value!r} is neither a number nor a percentage")
    product = percent * whole
    return -(-product // 100) if round_up else product // 100
