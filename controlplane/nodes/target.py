"""Which container a log, exec, attach or port-forward is about, and whether the caller may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.access import authorization
from controlplane.access.identity import Identity
from controlplane.nodes.errors import Refused
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

_STARTED_LATER = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Target:
    namespace: str
    pod: str
    uid: str
    node: str
    container: str
    status: Wire
    """The container's status as stored; empty where there is none yet."""
    phase: str


def find(
    identity: Identity, namespace: str, name: str, *, verb: str, subresource: str, container: str | None = ""
) -> Target:
    """Raises `Refused`: 403, 404, or 400 with a sentence. ``container`` None: none is needed. Runs queries."""
    if not authorization.allowed(identity, verb, kinds.POD, namespace, name, subresource):
        raise _forbidden(identity, verb, namespace, name, subresource)
    try:
        pod = objects.get(kinds.POD, namespace, name)
    except NotFound:
        raise Refused(404, f'pods "{name}" not found', details={"name": name, "kind": "pods"}) from None
    chosen = "" if container is None else choose_container(pod, container)
    node = pod["spec"].get("nodeName") or ""
    if not node:
        raise Refused(400, f"pod {name} is not assigned to a node yet; `kubectl describe pod {name}` says why")
    status = pod.get("status") or {}
    return Target(
        namespace=namespace,
        pod=name,
        uid=pod["metadata"]["uid"],
        node=node,
        container=chosen,
        status=container_status(status, chosen),
        phase=status.get("phase") or "",
    )


def choose_container(pod: Wire, asked: str) -> str:
    """The container asked for, or the only one."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if asked:
        if asked not in _names(spec, _CONTAINERS):
            raise Refused(400, f"container {asked} is not valid for pod {name}")
        return asked
    containers = _names(spec, ("containers",))
    if len(containers) == 1:
        return containers[0]
    message = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    initial = _names(spec, ("initContainers",))
    if initial:
        message += f" or one of the init containers: [{' '.join(initial)}]"
    raise Refused(400, message)


def container_status(status: Wire, container: str) -> Wire:
    for field in _STARTED_LATER:
        for found in status.get(field) or []:
            if found.get("name") == container:
                return dict(found)
    return {}


def _names(spec: Wire, fields: Sequence[str]) -> list[str]:
    containers: list[dict[str, Any]] = [container for field in fields for container in spec.get(field) or []]
    return [container["name"] for container in containers]


def _forbidden(identity: Identity, verb: str, namespace: str, name: str, subresource: str) -> Refused:
    message = (
        f'pods "{name}" is forbidden: User "{identity.name}" cannot {verb} resource "pods/{subresource}" '
        f'in API group "" in the namespace "{namespace}"'
    )
    return Refused(403, message, details={"name": name, "kind": "pods"})
