"""Requests and limits as cgroup values (OCI ``linux.resources``), and how eagerly the kernel may kill. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schema import quantity
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod

CPU_PERIOD_MICROSECONDS = 100_000
MINIMUM_CPU_QUOTA_MICROSECONDS = 1_000
"""The kernel refuses less than a millisecond."""
MINIMUM_CPU_SHARES = 2
PIDS_LIMIT_ANNOTATION = "slipway.dev/pids-limit"


@dataclass(frozen=True)
class Resources:
    """What one container, or a whole pod, may use. None: unlimited."""

    cpu_request_millis: int = 0
    cpu_limit_millis: int | None = None
    memory_request_bytes: int = 0
    memory_limit_bytes: int | None = None

    @property
    def cpu_shares(self) -> int:
        return max(MINIMUM_CPU_SHARES, self.cpu_request_millis * 1024 // 1000)

    @property
    def cpu_quota_microseconds(self) -> int | None:
        if self.cpu_limit_millis is None:
            return None
        return max(MINIMUM_CPU_QUOTA_MICROSECONDS, self.cpu_limit_millis * CPU_PERIOD_MICROSECONDS // 1000)


def of_container(container: Container) -> Resources:
    resources = container.resources
    requests: Mapping[str, Any] = (resources and resources.requests) or {}
    limits: Mapping[str, Any] = (resources and resources.limits) or {}
    return Resources(
        cpu_request_millis=quantity.cpu_millis(requests.get("cpu", limits.get("cpu", "0"))),
        cpu_limit_millis=quantity.cpu_millis(limits["cpu"]) if _set(limits, "cpu") else None,
        memory_request_bytes=quantity.bytes_(requests.get("memory", limits.get("memory", "0"))),
        memory_limit_bytes=quantity.bytes_(limits["memory"]) if _set(limits, "memory") else None,
    )


def _set(limits: Mapping[str, Any], name: str) -> bool:
    """A limit of zero means none, as for Kubernetes."""
    return name in limits and quantity.cpu_millis(limits[name]) > 0


def of_pod(pod: Pod) -> Resources:
    """The pod's cgroup: the sum of its containers or its largest init container, whichever is more, plus overhead.

    A limit holds only when every container has one: a container without may use what it likes.
    """
    spec = pod.spec
    together = _sum(of_container(container) for container in spec.containers)
    for container in spec.init_containers or ():
        together = _larger(together, of_container(container))
    return together


def _sum(parts: Iterable[Resources]) -> Resources:
    total = Resources(cpu_limit_millis=0, memory_limit_bytes=0)
    for part in parts:
        total = Resources(
            cpu_request_millis=total.cpu_request_millis + part.cpu_request_millis,
            cpu_limit_millis=_plus(total.cpu_limit_millis, part.cpu_limit_millis),
            memory_request_bytes=total.memory_request_bytes + part.memory_request_bytes,
            memory_limit_bytes=_plus(total.memory_limit_bytes, part.memory_limit_bytes),
        )
    return total


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _larger(one: Resources, other: Resources) -> Resources:
    def most(left: int | None, right: int | None) -> int | None:
        return None if left is None or right is None else max(left, right)

    return Resources(
        cpu_request_millis=max(one.cpu_request_millis, other.cpu_request_millis),
        cpu_limit_millis=most(one.cpu_limit_millis, other.cpu_limit_millis),
        memory_request_bytes=max(one.memory_request_bytes, other.memory_request_bytes),
        memory_limit_bytes=most(one.memory_limit_bytes, other.memory_limit_bytes),
    )


def oci(resources: Resources, *, pids_limit: int, swap_accounting: bool) -> Wire:
    """OCI ``linux.resources`` without devices. Swap is held to the memory limit: a limit is a limit."""
    cpu: Wire = {"shares": resources.cpu_shares}
    if (quota := resources.cpu_quota_microseconds) is not None:
        cpu |= {"quota": quota, "period": CPU_PERIOD_MICROSECONDS}
    result: Wire = {"cpu": cpu}
    if (limit := resources.memory_limit_bytes) is not None:
        result["memory"] = {"limit": limit} | ({"swap": limit} if swap_accounting else {})
    if pids_limit > 0:
        result["pids"] = {"limit": pids_limit}
    return result


def oci_of_pod(pod: Pod, *, pids_limit: int, swap_accounting: bool) -> Wire:
    """OCI ``linux.resources`` of the pod's cgroup.

    Without a cpu quota: the containers' own add up to it already, and a second one above would throttle anew, in periods
    of its own, what the first has let through.
    """
    limits = oci(of_pod(pod), pids_limit=pids_limit, swap_accounting=swap_accounting)
    return limits | {"cpu": {"shares": limits["cpu"]["shares"]}}


def pids_limit(pod: Pod, default: int) -> int:
    """The node's limit, or a lower one from the pod's ``slipway.dev/pids-limit`` annotation; 0: none."""
    text = (pod.metadata.annotations or {}).get(PIDS_LIMIT_ANNOTATION, "")
    if not text.isdecimal() or int(text) == 0:
        return default
    return min(int(text), default) if default > 0 else int(text)


def oom_score_adjust(pod: Pod, container: Container, *, node_memory_bytes: int) -> int:
    """Kubernetes' scale: Guaranteed -997, BestEffort 1000, Burstable between by its share of the node's memory."""
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    share = 1000 * of_container(container).memory_request_bytes // max(1, node_memory_bytes)
    return min(max(1000 - share, 3), 999)


def qos_class(pod: Pod) -> str:
    """``Guaranteed``, ``Burstable`` or ``BestEffort``, as Kubernetes decides it."""
    all_containers = [*pod.spec.containers, *(pod.spec.init_containers or ())]
    parts = [of_container(container) for container in all_containers]
    if all(part == Resources() for part in parts):
        return "BestEffort"
    guaranteed = all(
        part.cpu_limit_millis == part.cpu_request_millis and part.memory_limit_bytes == part.memory_request_bytes
        for part in parts
    )
    return "Guaranteed" if guaranteed else "Burstable"
