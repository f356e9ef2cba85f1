"""Pod: the defaults of its spec, its containers and its volumes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from schema import quantity
from schema.base import Wire
from schema.defaulting.parts import child, children, fill, fill_zero
from schema.defaulting.storage import default_claim_spec

_FILE_MODE = 0o644
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is not None:
        default_spec(spec)
    status = wire.setdefault("status", {})
    if isinstance(status, dict):
        fill(status, "phase", "Pending")
        if spec is not None and "qosClass" not in status:
            status["qosClass"] = qos_class(spec)


def default_spec(spec: Wire) -> None:
    """Also for the pod templates of other kinds."""
    fill(spec, "restartPolicy", "Always")
    fill(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "schedulerName", "default-scheduler")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("enableServiceLinks", True)
    _default_service_account(spec)
    for name in _CONTAINER_LISTS:
        for container in children(spec, name):
            _default_container(container, host_network=spec.get("hostNetwork") is True)
    for volume in children(spec, "volumes"):
        _default_volume(volume)


def _default_service_account(spec: Wire) -> None:
    # serviceAccount is the old spelling; both are kept equal, as clients of either age expect.
    fill(spec, "serviceAccountName", spec.get("serviceAccount") or "default")
    spec["serviceAccount"] = spec["serviceAccountName"]


def _default_container(container: Wire, *, host_network: bool) -> None:
    image = container.get("image")
    if isinstance(image, str) and image:
        fill(container, "imagePullPolicy", pull_policy(image))
    fill(container, "terminationMessagePath", "/dev/termination-log")
    fill(container, "terminationMessagePolicy", "File")
    _default_resources(container.setdefault("resources", {}))
    for port in children(container, "ports"):
        fill(port, "protocol", "TCP")
        if host_network and "containerPort" in port:
            fill_zero(port, "hostPort", port["containerPort"])
    for variable in children(container, "env"):
        source = child(variable, "valueFrom") or {}
        _default_downward(source)
    for name in _PROBES:
        probe = child(container, name)
        if probe is not None:
            _default_probe(probe)
    for handler in (child(container, "lifecycle") or {}).values():
        if isinstance(handler, dict):
            _default_http_get(handler)
    _default_privileges(container)


def _default_privileges(container: Wire) -> None:
    context = child(container, "securityContext")
    if context is not None and "procMount" in context:
        fill(context, "procMount", "Default")


def pull_policy(image: str) -> str:
    """Always for the tag latest, given or implied; a digest or another tag does not move, so IfNotPresent."""
    name, _, digest = image.partition("@")
    if digest:
        return "IfNotPresent"
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_resources(resources: Any) -> None:
    limits = child(resources, "limits") if isinstance(resources, dict) else None
    if not limits:
        return
    requests = resources.setdefault("requests", {})
    if isinstance(requests, dict):
        for name, amount in limits.items():
            if quantity.valid(amount):  # else one fault would be reported in two places
                requests.setdefault(name, amount)


def _default_downward(source: Wire) -> None:
    reference = child(source, "fieldRef")
    if reference is not None:
        fill(reference, "apiVersion", "v1")
    resource = child(source, "resourceFieldRef")
    if resource is not None:
        fill(resource, "divisor", "0")


def _default_probe(probe: Wire) -> None:
    fill_zero(probe, "timeoutSeconds", 1)
    fill_zero(probe, "periodSeconds", 10)
    fill_zero(probe, "successThreshold", 1)
    fill_zero(probe, "failureThreshold", 3)
    _default_http_get(probe)
    grpc = child(probe, "grpc")
    if grpc is not None:
        grpc.setdefault("service", "")


def _default_http_get(handler: Wire) -> None:
    request = child(handler, "httpGet")
    if request is not None:
        fill(request, "path", "/")
        fill(request, "scheme", "HTTP")


def _default_volume(volume: Wire) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for name in ("configMap", "secret", "downwardAPI", "projected"):
        source = child(volume, name)
        if source is not None:
            source.setdefault("defaultMode", _FILE_MODE)
    host_path = child(volume, "hostPath")
    if host_path is not None:
        host_path.setdefault("type", "")
    template = child(child(volume, "ephemeral") or {}, "volumeClaimTemplate") or {}
    claim = child(template, "spec")
    if claim is not None:
        default_claim_spec(claim)
    image = child(volume, "image")
    if image is not None and isinstance(image.get("reference"), str):
        fill(image, "pullPolicy", pull_policy(image["reference"]))
    for file in _downward_files(volume):
        _default_downward(file)
    for projection in children(child(volume, "projected") or {}, "sources"):
        token = child(projection, "serviceAccountToken")
        if token is not None:
            token.setdefault("expirationSeconds", 3600)


def _downward_files(volume: Wire) -> Iterator[Wire]:
    yield from children(child(volume, "downwardAPI") or {}, "items")
    for projection in children(child(volume, "projected") or {}, "sources"):
        yield from children(child(projection, "downwardAPI") or {}, "items")


def qos_class(spec: Wire) -> str:
    """Guaranteed if every container has cpu and memory limits equal to its requests, BestEffort if none has any."""
    containers = list(chain(children(spec, "containers"), children(spec, "initContainers")))
    counted = [_cpu_and_memory(container) for container in containers]
    if not any(limits or requests for limits, requests in counted):
        return "BestEffort"
    guaranteed = all(len(limits) == 2 and limits == requests for limits, requests in counted)
    return "Guaranteed" if guaranteed else "Burstable"


def _cpu_and_memory(container: Wire) -> tuple[Wire, Wire]:
    resources = child(container, "resources") or {}
    limits, requests = (
        {name: amount for name, amount in (child(resources, part) or {}).items() if name in ("cpu", "memory")}
        for part in ("limits", "requests")
    )
    return limits, requests
