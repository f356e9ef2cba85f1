"""How fast a pod may send and receive, by the annotations that Kubernetes' bandwidth plugin reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schema import quantity

INGRESS = "kubernetes.io/ingress-bandwidth"
EGRESS = "kubernetes.io/egress-bandwidth"
ANNOTATIONS = (INGRESS, EGRESS)
SLOWEST_BITS, FASTEST_BITS = 10**3, 10**15
"""Kubernetes' own bounds: 1k and 1P."""


@dataclass(frozen=True)
class Limits:
    """Bits in a second; 0: no limit."""

    ingress: int = 0
    """What comes into the pod."""
    egress: int = 0


def fault(text: str) -> str:
    """Why an annotation's value cannot be; empty when it can."""
    try:
        bits = quantity.bytes_(text)
    except quantity.QuantityError as error:
        return str(error)
    if not SLOWEST_BITS <= bits <= FASTEST_BITS:
        return "must be between 1k and 1P bits per second, e.g. 10M"
    return ""


def limits(annotations: Mapping[str, str]) -> Limits:
    """Raises `QuantityError`."""
    ingress, egress = (quantity.bytes_(annotations[name]) if name in annotations else 0 for name in ANNOTATIONS)
    return Limits(ingress, egress)
