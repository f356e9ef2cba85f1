"""What one object takes of a quota. Pure.

Amounts are whole numbers: thousandths for cpu, bytes for memory and storage, pieces for everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schema import quantity
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import Operator, Requirement

Amounts = dict[str, int]
FINISHED = ("Succeeded", "Failed")
_LEGACY = frozenset(["configmaps", "replicationcontrollers", "resourcequotas", "secrets"])
_PLAIN = ("cpu", "memory", "ephemeral-storage")
"""Compute resources that may be written without ``requests.``."""
_MUST_BE_NAMED = ("cpu", "memory")
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"


def amount(resource: str, value: str | int | float) -> int:
    return quantity.cpu_millis(value) if _is_cpu(resource) else quantity.bytes_(value)


def text(resource: str, value: int) -> str:
    if _is_cpu(resource):
        return quantity.format_cpu(value)
    in_bytes = "memory" in resource or "storage" in resource
    return quantity.format_bytes(value) if in_bytes and not resource.endswith("persistentvolumeclaims") else str(value)


def _is_cpu(resource: str) -> bool:
    return resource.rpartition(".")[2] == "cpu" and not resource.startswith("count/")


def of(kind: Kind, wire: Wire) -> Amounts:
    """By resource name, under every name it may have in a quota."""
    counted = {f"count/{kind.group_resource}": 1}
    match (kind.group, kind.plural):
        case ("", "pods"):
            return counted | _pod(wire)
        case ("", "services"):
            return counted | _service(wire)
        case ("", "persistentvolumeclaims"):
            return counted | _claim(wire)
        case ("", plural) if plural in _LEGACY:
            return counted | {plural: 1}
    return counted


def _pod(pod: Wire) -> Amounts:
    if (pod.get("status") or {}).get("phase") in FINISHED:
        return {}
    spec = pod.get("spec") or {}
    requests, limits = total(spec, "requests"), total(spec, "limits")
    found = {f"requests.{name}": value for name, value in requests.items()}
    found |= {name: value for name, value in requests.items() if name in _PLAIN}
    found |= {f"limits.{name}": value for name, value in limits.items()}
    return found | {"pods": 1}


def total(spec: Wire, section: str) -> Amounts:
    """Requests or limits of a pod: containers and sidecars together, or the largest moment of the init phase."""
    running: Amounts = {}
    for container in spec.get("containers") or ():
        running = _sum(running, _section(container, section))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        now = _sum(sidecars, _section(container, section))
        peak = _largest(peak, now)
        if container.get("restartPolicy") == "Always":
            sidecars = now
    found = _largest(_sum(running, sidecars), peak)
    found |= _section(spec, section)
    overhead = {name: amount(name, value) for name, value in (spec.get("overhead") or {}).items()}
    return _sum(found, overhead) if section == "requests" or found else found


def _section(holder: Wire, section: str) -> Amounts:
    amounts = (holder.get("resources") or {}).get(section) or {}
    return {name: amount(name, value) for name, value in amounts.items()}


def _sum(left: Amounts, right: Amounts) -> Amounts:
    return {name: left.get(name, 0) + right.get(name, 0) for name in (*left, *right)}


def _largest(left: Amounts, right: Amounts) -> Amounts:
    return {name: max(left.get(name, 0), right.get(name, 0)) for name in (*left, *right)}


def _service(service: Wire) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or ()
    found = {"services": 1, "services.nodeports": 0, "services.loadbalancers": 0}
    if spec.get("type") == "NodePort":
        found["services.nodeports"] = len(ports)
    elif spec.get("type") == "LoadBalancer":
        found["services.loadbalancers"] = 1
        allocated = spec.get("allocateLoadBalancerNodePorts") is not False
        found["services.nodeports"] = len(ports) if allocated else sum(1 for port in ports if port.get("nodePort"))
    return found


def _claim(claim: Wire) -> Amounts:
    spec = claim.get("spec") or {}
    storage = amount("storage", ((spec.get("resources") or {}).get("requests") or {}).get("storage") or 0)
    found = {"persistentvolumeclaims": 1, "requests.storage": storage}
    if spec.get("storageClassName"):
        own = spec["storageClassName"] + _CLASS_SUFFIX
        found |= {f"{own}requests.storage": storage, f"{own}persistentvolumeclaims": 1}
    return found


def kinds_of(resources: Iterable[str], kinds: Iterable[Kind]) -> list[Kind]:
    """Which kinds must be counted for these resources."""
    names = set(resources)
    return [kind for kind in kinds if kind.namespaced and any(_concerns(kind, name) for name in names)]


def _concerns(kind: Kind, name: str) -> bool:
    if name.startswith("count/"):
        return name == f"count/{kind.group_resource}"
    match (kind.group, kind.plural):
        case ("", "pods"):
            return "storage" not in name or "ephemeral-storage" in name
        case ("", "services"):
            return name.partition(".")[0] == "services"
        case ("", "persistentvolumeclaims"):
            return name.endswith(("requests.storage", "persistentvolumeclaims"))
        case ("", plural):
            return name == plural and plural in _LEGACY
    return False


# Scopes


def in_scope(quota_spec: Wire, kind: Kind, wire: Wire) -> bool:
    """Whether an object is one that the quota counts. Only pods have scopes."""
    conditions = [(scope, "Exists", ()) for scope in quota_spec.get("scopes") or ()]
    for each in (quota_spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        conditions.append((each["scopeName"], each.get("operator") or "Exists", tuple(each.get("values") or ())))
    if not conditions:
        return True
    return (kind.group, kind.plural) == ("", "pods") and all(_holds(*condition, wire) for condition in conditions)


def _holds(scope: str, operator: str, values: tuple[str, ...], pod: Wire) -> bool:
    spec = pod.get("spec") or {}
    match scope:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return _is_best_effort(spec)
        case "NotBestEffort":
            return not _is_best_effort(spec)
        case "PriorityClass":
            name = spec.get("priorityClassName") or ""
            requirement = Requirement(scope, Operator(operator), frozenset(values))
            return requirement.matches({scope: name} if name else {})
    return _crosses_namespaces(spec)


def _is_best_effort(spec: Wire) -> bool:
    every: list[Wire] = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return not any(
        name in _MUST_BE_NAMED
        for each in every
        for section in ("requests", "limits")
        for name in _section(each, section)
    )


def _crosses_namespaces(spec: Wire) -> bool:
    affinity = spec.get("affinity") or {}
    for which in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(which) or {}
        terms = [*(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [each.get("podAffinityTerm") or {} for each in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def unnamed(hard: Mapping[str, str], pod: Wire) -> dict[str, list[str]]:
    """Compute resources with a limit that some of a pod's containers do not name, with those containers."""
    spec = pod.get("spec") or {}
    every: list[Wire] = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    found: dict[str, list[str]] = {}
    for resource in sorted(hard):
        section, _, name = resource.rpartition(".")
        if name not in _MUST_BE_NAMED or section not in ("", "requests", "limits"):
            continue
        if name in _section(spec, section or "requests"):
            continue
        lacking = [str(each.get("name")) for each in every if name not in _section(each, section or "requests")]
        if lacking:
            found[resource] = lacking
    return found
