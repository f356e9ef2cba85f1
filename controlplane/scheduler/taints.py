"""Taints and tolerations, by Kubernetes' rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schema.base import Wire

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
HARD_EFFECTS = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Taint:
    key: str
    value: str = ""
    effect: str = "NoSchedule"

    @classmethod
    def parse(cls, wire: Wire) -> Taint:
        return cls(wire.get("key", ""), wire.get("value") or "", wire.get("effect", ""))

    def __str__(self) -> str:
        return f"{{{self.key}: {self.value}}}"


@dataclass(frozen=True)
class Toleration:
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    @classmethod
    def parse(cls, wire: Wire) -> Toleration:
        return cls(
            wire.get("key") or "", wire.get("operator") or "Equal", wire.get("value") or "", wire.get("effect") or ""
        )

    def tolerates(self, taint: Taint) -> bool:
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(each.tolerates(taint) for each in tolerations)


def first_untolerated(taints: Iterable[Taint], tolerations: tuple[Toleration, ...]) -> Taint | None:
    """The first taint that keeps a pod away. PreferNoSchedule never does: it only lowers a score."""
    hard = (taint for taint in taints if taint.effect in HARD_EFFECTS)
    return next((taint for taint in hard if not tolerated(taint, tolerations)), None)


def count_unpreferred(taints: Iterable[Taint], tolerations: tuple[Toleration, ...]) -> int:
    return sum(taint.effect == "PreferNoSchedule" and not tolerated(taint, tolerations) for taint in taints)
