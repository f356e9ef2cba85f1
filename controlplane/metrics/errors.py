"""Errors of the metrics.

Unavailable     nothing can be known: Redis is away
"""

from __future__ import annotations


class Unavailable(Exception):
    """Nothing can be known now; the text says why."""
