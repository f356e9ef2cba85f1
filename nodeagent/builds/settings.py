"""Bounds of building on a node, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

GIGABYTE = 1024**3


@dataclass(frozen=True)
class BuildSettings:
    at_once: int = 2
    """Builds at a time; others wait in the queue. 0: this node builds nothing."""
    cache_bytes: int = 20 * GIGABYTE
    """The cache is brought below that before a build begins, least recently used first."""


def from_environment(environment: Mapping[str, str] | None = None) -> BuildSettings:
    """``SLIPWAY_BUILDS=2``, ``SLIPWAY_BUILD_CACHE_BYTES=21474836480``."""
    values = os.environ if environment is None else environment
    default = BuildSettings()
    return BuildSettings(
        at_once=int(values.get("SLIPWAY_BUILDS") or default.at_once),
        cache_bytes=int(values.get("SLIPWAY_BUILD_CACHE_BYTES") or default.cache_bytes),
    )
