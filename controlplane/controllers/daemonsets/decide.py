"""What to do next with the pods of a DaemonSet. Pure.

A node that should have a pod and has none gets one; what failed is replaced with back-off; a node that should have none loses
it. Of pods made from an old template as many go at once as may be unavailable, those that are not available anyway first
and for free; with surge the new pod comes first, and the old one goes when the new one is available.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DaemonPod:
    name: str
    updated: bool = True
    """Made from the template as it is now."""
    available: bool = False
    terminating: bool = False
    failed: bool = False
    retry_in: float = 0.0
    """Seconds until a failed one may be replaced."""
    created: str = ""
    """RFC 3339."""

    @property
    def lives(self) -> bool:
        return not self.terminating and not self.failed


@dataclass(frozen=True)
class Fate:
    """What a node is to a DaemonSet."""

    run: bool
    """It should have a pod."""
    stay: bool = True
    """A pod that is there may stay."""


@dataclass(frozen=True)
class Strategy:
    rolling: bool = True
    max_unavailable: int = 1
    max_surge: int = 0


@dataclass
class Decision:
    create: list[str] = field(default_factory=list)
    """Nodes."""
    delete: list[str] = field(default_factory=list)
    """Names of pods."""
    retry_in: float | None = None
    """Seconds until a failed pod may be replaced."""


def decide(nodes: Mapping[str, Fate], pods: Mapping[str, Sequence[DaemonPod]], strategy: Strategy) -> Decision:
    """``pods`` by the node that they are on or meant for."""
    decision = Decision()
    for node in sorted({*nodes, *pods}):
        fate = nodes.get(node, Fate(run=False, stay=False))
        _keep(node, fate, pods.get(node, ()), decision, rolling=strategy.rolling)
    if strategy.rolling:
        running = {node: pods.get(node, ()) for node, fate in sorted(nodes.items()) if fate.run}
        if strategy.max_surge:
            _surge(running, strategy, decision)
        else:
            _roll(running, strategy, decision)
    return decision


def is_available(pods: Iterable[DaemonPod]) -> bool:
    return any(pod.lives and pod.available for pod in pods)


def _keep(node: str, fate: Fate, pods: Sequence[DaemonPod], decision: Decision, *, rolling: bool) -> None:
    living = [pod for pod in pods if pod.lives]
    if not fate.run:
        if not fate.stay:
            decision.delete += [pod.name for pod in pods if not pod.terminating]
        return
    failed = [pod for pod in pods if pod.failed and not pod.terminating]
    if not living and failed and (wait := max(pod.retry_in for pod in failed)) > 0:
        decision.retry_in = wait if decision.retry_in is None else min(wait, decision.retry_in)
        return
    decision.delete += [pod.name for pod in failed]
    if not living and not any(pod.terminating for pod in pods):
        decision.create.append(node)
    old, new = [pod for pod in living if not pod.updated], [pod for pod in living if pod.updated]
    if not rolling:
        decision.delete += _double(living)
    elif is_available(new):
        decision.delete += [*_double(new), *(pod.name for pod in old)]
    else:
        decision.delete += [*_double(new), *_double(old)]


def _double(pods: Sequence[DaemonPod]) -> list[str]:
    """All but the best: an available one before others, then the oldest."""
    best_first = sorted(pods, key=lambda pod: (not pod.available, pod.created, pod.name))
    return [pod.name for pod in best_first[1:]]


def _roll(running: Mapping[str, Sequence[DaemonPod]], strategy: Strategy, decision: Decision) -> None:
    going = set(decision.delete)
    budget = strategy.max_unavailable - sum(not is_available(pods) for pods in running.values())
    for pods in running.values():
        old = [pod for pod in pods if pod.lives and not pod.updated and pod.name not in going]
        if not old or any(pod.terminating for pod in pods):
            continue
        if is_available(pods):
            if budget <= 0:
                continue
            budget -= 1
        decision.delete += [pod.name for pod in old]


def _surge(running: Mapping[str, Sequence[DaemonPod]], strategy: Strategy, decision: Decision) -> None:
    going = set(decision.delete)
    budget = strategy.max_surge
    waiting = []
    for node, pods in running.items():
        living = [pod for pod in pods if pod.lives and pod.name not in going]
        old = [pod for pod in living if not pod.updated]
        new = [pod for pod in living if pod.updated]
        if old and new and not is_available(old):
            decision.delete += [pod.name for pod in old]
        elif old and new:
            budget -= 1
        elif old and not is_available(old):
            decision.delete += [pod.name for pod in old]
        elif old:
            waiting.append(node)
    decision.create += waiting[: max(budget, 0)]
