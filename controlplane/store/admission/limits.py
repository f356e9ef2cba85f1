"""LimitRanges: what a new container asks for if it says nothing, and what it may ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from controlplane.store import codec, kinds
from controlplane.store.admission import usage
from controlplane.store.errors import Forbidden
from controlplane.store.transaction import Transaction
from schema import quantity
from schema.base import Wire
from schema.defaulting.pod import qos_class
from schema.kinds import LIMIT_RANGE, POD, Kind


def admit(tx: Transaction, kind: Kind, namespace: str, name: str, wire: Wire) -> Wire:
    if kind is not POD and kind.group_resource != "persistentvolumeclaims":
        return wire
    rows = tx.rows_in(kinds.of(LIMIT_RANGE), namespace)
    items = [item for row in rows for item in row.spec.get("limits") or ()]
    if not items:
        return wire
    if kind is POD:
        wire = with_defaults(wire, items)
        faults = list(pod_faults(wire, items))
    else:
        faults = list(_claim_faults(wire, items))
    if faults:
        said = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
        raise Forbidden(f'{kind.plural} "{name}" is forbidden: {said}', kind=kind, name=name)
    return wire


def with_defaults(pod: Wire, items: Iterable[Wire]) -> Wire:
    """A copy whose containers ask for what the items say, where they say nothing themselves."""
    changed = codec.copy(pod)
    for item in items:
        if item.get("type") == "Container":
            for container in _containers(changed):
                _default_container(container, item)
    if isinstance(changed.get("status"), dict) and "qosClass" in changed["status"]:
        changed["status"]["qosClass"] = qos_class(changed["spec"])
    return changed


def _default_container(container: Wire, item: Wire) -> None:
    resources = container.setdefault("resources", {})
    for section, field in (("limits", "default"), ("requests", "defaultRequest")):
        amounts = {**(item.get(field) or {}), **(resources.get(section) or {})}
        if amounts:
            resources[section] = amounts


def _containers(pod: Wire) -> Iterator[Wire]:
    spec = pod.get("spec") or {}
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def pod_faults(pod: Wire, items: Iterable[Wire]) -> Iterator[str]:
    """What Kubernetes' LimitRanger says of a pod beyond the bounds, and of requests beyond the limits it was given."""
    for item in items:
        if item.get("type") == "Container":
            for container in _containers(pod):
                yield from _faults(container.get("resources") or {}, item)
        elif item.get("type") == "Pod":
            spec = pod.get("spec") or {}
            whole = {section: _written(usage.total(spec, section)) for section in ("requests", "limits")}
            yield from _faults(whole, item)
    for container in _containers(pod):
        yield from _beyond_limit(container)


def _beyond_limit(container: Wire) -> Iterator[str]:
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    for name, asked in (resources.get("requests") or {}).items():
        if name in limits and quantity.compare(asked, limits[name]) > 0:
            yield f"{name} request {asked} of container {container.get('name')} is more than its limit {limits[name]}"


def _written(amounts: dict[str, int]) -> dict[str, str]:
    return {name: usage.text(name, amount) for name, amount in amounts.items()}


def _faults(resources: Wire, item: Wire) -> Iterator[str]:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    where = item["type"]
    for name, least in (item.get("min") or {}).items():
        said = f"minimum {name} usage per {where} is {least}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif quantity.compare(requests[name], least) < 0:
            yield f"{said}, but request is {requests[name]}"
    for name, most in (item.get("max") or {}).items():
        said = f"maximum {name} usage per {where} is {most}"
        if name not in limits:
            yield f"{said}.  No limit is specified"
        elif quantity.compare(limits[name], most) > 0:
            yield f"{said}, but limit is {limits[name]}"
    yield from _ratio_faults(requests, limits, item)


def _ratio_faults(requests: Wire, limits: Wire, item: Wire) -> Iterator[str]:
    for name, most in (item.get("maxLimitRequestRatio") or {}).items():
        said = f"{name} max limit to request ratio per {item['type']} is {most}"
        asked, limit = _number(name, requests), _number(name, limits)
        if not asked or limit is None:
            yield f"{said}, but no request is specified or request is 0."
        elif limit / asked > quantity.cpu_millis(most) / 1000:
            yield f"{said}, but provided ratio is {limit / asked:.6f}"


def _number(name: str, amounts: dict[str, Any]) -> int | None:
    return usage.amount(name, amounts[name]) if name in amounts else None


def _claim_faults(claim: Wire, items: Iterable[Wire]) -> Iterator[str]:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    for item in items:
        if item.get("type") == "PersistentVolumeClaim":
            # The most there may be is asked of the request: a claim has no limit.
            yield from _faults({"requests": requests, "limits": requests}, item)
