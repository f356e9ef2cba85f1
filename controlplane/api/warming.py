"""Make at start what the first request would otherwise wait for: types are built at first use."""

from __future__ import annotations

import logging

from schema import kinds, validation
from schema.base import Wire

log = logging.getLogger(__name__)


def warm() -> None:
    """Harmless at any time: nothing is stored. Takes some tenths of a second of a thread."""
    for kind in kinds.ALL:
        sample: Wire = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "warm"}}
        validation.unknown_fields(kind, sample)
        validation.default(kind, sample)
        validation.validate(kind, sample)
