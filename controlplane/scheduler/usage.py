"""What the nodes' pods hold already: sums by SQL, and single pods only where a pending one makes them matter.

cpu, memory, ephemeral storage and the number of pods are columns. Host ports, devices and the pods of a spread group are read
from the pods that have them, found by an index or a text search, and only when some pending pod asks for such a thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from controlplane.scheduler import demand
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import BASE_DIMENSIONS, Usage
from controlplane.store import objects
from schema import kinds
from schema.base import Wire
from schema.selectors import LabelSelector

_FINISHED = ("Succeeded", "Failed")


def read(wanted: Sequence[Demand], dimensions: Iterable[str], *, spread: bool) -> dict[str, Usage]:
    """By node. ``spread`` tells whether groups matter: with a single node they do not."""
    usage = {
        node: Usage(
            amounts={
                "pods": held.pods,
                "cpu": held.cpu_millis,
                "memory": held.memory_bytes,
                "ephemeral-storage": held.ephemeral_bytes,
            }
        )
        for node, held in objects.node_usage().items()
    }
    _add_ports(usage, wanted)
    _add_devices(usage, [name for name in dimensions if name not in BASE_DIMENSIONS])
    if spread:
        _add_groups(usage, wanted)
    return usage


def _add_ports(usage: Mapping[str, Usage], wanted: Sequence[Demand]) -> None:
    if any(pod.ports for pod in wanted):
        for node, pod in _bound(objects.bound_pods_mentioning("hostPort", "hostNetwork")):
            usage[node].ports.extend(demand.host_ports(pod["spec"]))


def _add_devices(usage: Mapping[str, Usage], names: Sequence[str]) -> None:
    if not names:
        return
    for node, pod in _bound(objects.bound_pods_mentioning(*names)):
        held = demand.requests(pod["spec"])
        for name in names:
            amounts = usage[node].amounts
            amounts[name] = amounts.get(name, 0) + held.get(name, 0)


def _add_groups(usage: Mapping[str, Usage], wanted: Sequence[Demand]) -> None:
    for group in {pod.spread for pod in wanted}:
        for node, pod in _bound(_members(group)):
            if demand.spread_group(pod["metadata"]) == group:
                groups = usage[node].groups
                groups[group] = groups.get(group, 0) + 1


def _members(group: object) -> Iterable[Wire]:
    """Pods that may be of a spread group (see `demand.spread_group`)."""
    if isinstance(group, str):
        return objects.dependents_of(group)
    if isinstance(group, tuple):
        namespace, labels = group
        selector = LabelSelector.parse(",".join(f"{key}={value}" for key, value in labels))
        return objects.list_objects(kinds.POD, namespace=namespace, labels=selector).items
    return ()


def _bound(pods: Iterable[Wire]) -> Iterator[tuple[str, Wire]]:
    """Those that hold something of a node."""
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if node and pod.get("kind") == "Pod" and (pod.get("status") or {}).get("phase") not in _FINISHED:
            yield node, pod
