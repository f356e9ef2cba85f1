"""Numbers of the benchmark: quantiles, a straight line through points, how they are printed."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many are not above (0.5: the median)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


FLAT = "flat"


@dataclass(frozen=True)
class Slope:
    """Of a least-squares line; ``error`` is its standard error. Both in units of y for a unit of x."""

    value: float
    error: float

    def verdict(self, *, most: float) -> str:
        """Whether a growth below ``most`` has been shown, refuted, or neither: two standard errors on each side."""
        low, high = self.value - 2 * self.error, self.value + 2 * self.error
        if high <= most:
            return FLAT
        return "GROWS" if low > 0 else "not shown: too few or too scattered samples"


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Needs three points."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    value = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - value * (x - mean_x)) ** 2 for x, y in points)
    return Slope(value, math.sqrt(rest / (count - 2) / spread))


def title(text: str) -> None:
    print(f"\n{text}  [load {os.getloadavg()[0]:.1f}]", flush=True)


def row(what: str, *cells: str) -> None:
    print(f"  {what:44}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def aim(what: str, is_met: bool) -> None:
    row(f"aim: {what}", "met" if is_met else "MISSED")


def ms(value: float) -> str:
    return f"{value:.1f} ms"


def kb(size: float) -> str:
    return f"{size / 1000:.0f} kB"


def mb(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
