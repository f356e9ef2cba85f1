"""How long tests wait for what should have happened at once: a bound for what hangs, and never a measurement."""

from __future__ import annotations

import os

SLOWNESS = 30.0 if os.environ.get("SLIPWAY_IN_VM") else 1.0
"""An emulated machine (tests/vm) takes its time, and more the busier the real one is."""


def patience(seconds: float) -> float:
    return seconds * SLOWNESS
