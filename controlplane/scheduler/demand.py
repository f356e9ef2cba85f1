"""What a pod asks of a node, read once from its wire object. Pure.

Requests follow Kubernetes' sum: containers and sidecars together, or the largest moment of the init phase where that
is more, plus overhead; ``spec.resources`` (requests of the whole pod) overrides the sum for what it names.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from controlplane.scheduler import company
from controlplane.scheduler.claims import Claim
from controlplane.scheduler.company import Wishes
from controlplane.scheduler.labels import Requirement, Term, parse_terms
from controlplane.scheduler.taints import Toleration
from schema import quantity
from schema.base import Wire

Amounts = dict[str, int]
"""Resource name to amount: millicores for cpu, bytes or pieces for the rest."""


@dataclass(frozen=True)
class HostPort:
    port: int
    protocol: str = "TCP"
    address: str = ""
    """Empty: all addresses of the node."""

    def clashes(self, other: HostPort) -> bool:
        if (self.port, self.protocol) != (other.port, other.protocol):
            return False
        return not self.address or not other.address or self.address == other.address

    def __str__(self) -> str:
        return f"{self.address + ':' if self.address else ''}{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Demand:
    uid: str
    namespace: str
    name: str
    priority: int = 0
    created: str = ""
    """RFC 3339, so it sorts as text."""
    amounts: Mapping[str, int] = field(default_factory=lambda: {"pods": 1})
    selector: tuple[Requirement, ...] = ()
    """``nodeSelector``, as requirements."""
    required: tuple[Term, ...] | None = None
    """Alternatives of the required node affinity; None: no such affinity."""
    preferred: tuple[tuple[int, Term], ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    ports: tuple[HostPort, ...] = ()
    spread: Hashable = None
    """Pods of the same value are spread over nodes; None: no such group."""
    preempts: bool = True
    """It may push out pods of lower priority."""
    nominated: str = ""
    """The node on which room is being made for it."""
    claims: tuple[Claim, ...] = ()
    """What its volumes ask of the node; `scheduler.storage` adds them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    wishes: Wishes = company.NONE
    """About other pods."""
    judged_by_labels: bool = False
    """Other pods may keep it from a node for its labels; `company_reading` finds out."""
    constraints: bytes = b""
    """Equal for pods whose fixed wishes (selector, affinity, tolerations) are equal."""

    @property
    def order(self) -> tuple[int, str, str, str]:
        """Most important first, then oldest; names make it total."""
        return (-self.priority, self.created, self.namespace, self.name)

    @property
    def shape(self) -> Hashable:
        """Equal for pods that fit or fail alike."""
        social = self.wishes.any or self.judged_by_labels
        labels = (self.namespace, *sorted(self.labels.items())) if social else ()
        return (self.constraints, tuple(sorted(self.amounts.items())), self.ports, self.claims, labels)


def parse(pod: Wire) -> Demand:
    meta, spec = pod["metadata"], pod["spec"]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    selector = spec.get("nodeSelector") or {}
    tolerations = spec.get("tolerations") or ()
    return Demand(
        uid=meta.get("uid", ""),
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        priority=spec.get("priority") or 0,
        created=meta.get("creationTimestamp") or "",
        amounts={**requests(spec), "pods": 1},
        selector=tuple(Requirement(key, "In", (value,)) for key, value in sorted(selector.items())),
        required=None if required is None else parse_terms(required.get("nodeSelectorTerms")),
        preferred=tuple((each["weight"], Term.parse(each.get("preference") or {})) for each in preferred),
        tolerations=tuple(Toleration.parse(each) for each in tolerations),
        ports=host_ports(spec),
        spread=spread_group(meta),
        preempts=spec.get("preemptionPolicy") != "Never",
        nominated=(pod.get("status") or {}).get("nominatedNodeName") or "",
        labels=meta.get("labels") or {},
        wishes=company.parse(pod),
        constraints=orjson.dumps(
            [selector, spec.get("affinity"), tolerations, spec.get("topologySpreadConstraints")],
            option=orjson.OPT_SORT_KEYS,
        ),
    )


def spread_group(meta: Wire) -> Hashable:
    """The controlling owner's uid, or namespace and labels for pods without one."""
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            return str(owner["uid"])
    labels = meta.get("labels")
    return (meta.get("namespace", ""), tuple(sorted(labels.items()))) if labels else None


def amounts(resources: Wire | None) -> Amounts:
    """A wire resource list as numbers."""
    return {
        name: quantity.cpu_millis(value) if name == "cpu" else quantity.bytes_(value)
        for name, value in (resources or {}).items()
    }


def requests(spec: Wire) -> Amounts:
    """Amounts to hold for a pod on its node, without the pod itself."""
    total = _largest(_running(spec), _initialising(spec))
    whole = spec.get("resources") or {}
    total |= amounts({**(whole.get("limits") or {}), **(whole.get("requests") or {})})
    return _sum(total, amounts(spec.get("overhead")))


def _running(spec: Wire) -> Amounts:
    sidecars = (each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always")
    total: Amounts = {}
    for container in (*sidecars, *(spec.get("containers") or ())):
        total = _sum(total, _container(container))
    return total


def _initialising(spec: Wire) -> Amounts:
    """The largest moment of the init phase: one init container beside the sidecars started before it."""
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        now = _sum(sidecars, _container(container))
        peak = _largest(peak, now)
        if container.get("restartPolicy") == "Always":
            sidecars = now
    return peak


def _container(container: Wire) -> Amounts:
    """Requests, where absent the limits: the API defaults so, but objects from elsewhere may lack it."""
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _sum(left: Amounts, right: Amounts) -> Amounts:
    return {name: left.get(name, 0) + right.get(name, 0) for name in (*left, *right)}


def _largest(left: Amounts, right: Amounts) -> Amounts:
    return {name: max(left.get(name, 0), right.get(name, 0)) for name in (*left, *right)}


def host_ports(spec: Wire) -> tuple[HostPort, ...]:
    """Ports that the pod's long-running containers occupy on the node itself."""
    return tuple(_container_ports(_long_running(spec), host_network=bool(spec.get("hostNetwork"))))


def _long_running(spec: Wire) -> Iterable[Wire]:
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [*sidecars, *(spec.get("containers") or ())]


def _container_ports(containers: Iterable[Wire], *, host_network: bool) -> Iterable[HostPort]:
    for container in containers:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if host_network else 0)
            if number:
                address = port.get("hostIP") or ""
                everywhere = address in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
                yield HostPort(number, port.get("protocol") or "TCP", "" if everywhere else address)
