"""The environment variables of a container. Pure.

``resolve`` gives the services and what the pod says (envFrom, then env, each later one winning); ``merge`` lays it over the
image's own.
References like ``$(NAME)`` see what the pod said before them, and never the image's variables, as in Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nodeagent.errors import ConfigError
from nodeagent.pods import expansion, service_links
from schema import quantity
from schema.base import Wire
from schema.core.container import Container, EnvFromSource, EnvVar, EnvVarSource
from schema.core.pod import Pod


@dataclass(frozen=True)
class Sources:
    """Where values come from. ConfigMaps and Secrets are those of the pod's namespace, by name."""

    pod: Pod
    node_name: str
    host_addresses: Sequence[str] = ()
    pod_addresses: Sequence[str] = ()
    config_maps: Mapping[str, Wire] = field(default_factory=dict)
    secrets: Mapping[str, Wire] = field(default_factory=dict, repr=False)
    allocatable: Mapping[str, str] = field(default_factory=dict)
    """Of the node: what a limit means where the container sets none."""
    services: Mapping[tuple[str, str], Wire] = field(default_factory=dict)
    """Of all namespaces."""


def resolve(container: Container, sources: Sources) -> dict[str, str]:
    """Raises `ConfigError` where a source that is not optional is missing."""
    variables: dict[str, str] = service_links.of_pod(sources.pod, sources.services)
    for source in container.env_from or ():
        variables |= _from_source(source, sources)
    for variable in container.env or ():
        value = _value(variable, variables, container, sources)
        if value is not None:
            variables[variable.name] = value
    return variables


def merge(image: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """``NAME=value`` entries: the image's in their order, replaced or followed by the pod's."""
    merged = dict(entry.partition("=")[::2] for entry in image)
    return [f"{name}={value}" for name, value in {**merged, **variables}.items()]


def _from_source(source: EnvFromSource, sources: Sources) -> dict[str, str]:
    data: Mapping[str, str] = {}
    if source.config_map_ref is not None:
        ref = source.config_map_ref
        found = _find("configmap", sources.config_maps, ref.name or "", bool(ref.optional))
        data = (found or {}).get("data") or {}
    elif source.secret_ref is not None:
        secret = source.secret_ref
        found = _find("secret", sources.secrets, secret.name or "", bool(secret.optional))
        data = {key: _decoded(value) for key, value in ((found or {}).get("data") or {}).items()}
    # A key that no process could see as a variable is left out, as Kubernetes does.
    return {f"{source.prefix or ''}{key}": value for key, value in data.items() if key and "=" not in key}


def _value(variable: EnvVar, variables: Mapping[str, str], container: Container, sources: Sources) -> str | None:
    """None: an optional source that is not there, so the variable is not either."""
    source = variable.value_from
    if source is None:
        return expansion.expand(variable.value or "", variables)
    if source.field_ref is not None:
        return field_value(source.field_ref.field_path, sources)
    if source.resource_field_ref is not None:
        ref = source.resource_field_ref
        return resource_value(
            ref.resource, str(ref.divisor or ""), _named(ref.container_name, container, sources), sources
        )
    return _key_value(source, sources)


def _key_value(source: EnvVarSource, sources: Sources) -> str | None:
    if source.config_map_key_ref is not None:
        ref = source.config_map_key_ref
        found = _find("configmap", sources.config_maps, ref.name or "", bool(ref.optional))
        return _key(found, "ConfigMap", ref.key, bool(ref.optional), sources.pod)
    if source.secret_key_ref is not None:
        secret = source.secret_key_ref
        found = _find("secret", sources.secrets, secret.name or "", bool(secret.optional))
        value = _key(found, "Secret", secret.key, bool(secret.optional), sources.pod)
        return _decoded(value) if value is not None else None
    return ""


def _find(kind: str, objects: Mapping[str, Wire], name: str, optional: bool) -> Wire | None:
    found = objects.get(name)
    if found is None and not optional:
        raise ConfigError(f'{kind} "{name}" not found')
    return found


def _key(found: Wire | None, kind: str, key: str, optional: bool, pod: Pod) -> str | None:
    if found is None:
        return None
    value = (found.get("data") or {}).get(key)
    if value is None and not optional:
        where = f"{pod.metadata.namespace}/{(found.get('metadata') or {}).get('name')}"
        raise ConfigError(f"couldn't find key {key} in {kind} {where}")
    return value


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=False).decode(errors="surrogateescape")
    except binascii.Error as error:
        raise ConfigError(f"a Secret's data is not base64: {error}") from error


# The downward API

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


def field_value(path: str, sources: Sources) -> str:
    """What ``fieldRef.fieldPath`` means for this pod."""
    pod = sources.pod
    if match := _SUBSCRIPT.fullmatch(path):
        return str((getattr(pod.metadata, match.group(1)) or {}).get(match.group(2), ""))
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "spec.nodeName": sources.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": _first(sources.host_addresses),
        "status.hostIPs": ",".join(sources.host_addresses),
        "status.podIP": _first(sources.pod_addresses),
        "status.podIPs": ",".join(sources.pod_addresses),
    }
    if path not in values:
        raise ConfigError(f"fieldRef: {path} cannot be read by a variable")
    return values[path] or ""


def _first(addresses: Sequence[str]) -> str:
    return addresses[0] if addresses else ""


def _named(name: str | None, container: Container, sources: Sources) -> Container:
    if not name or name == container.name:
        return container
    pod = sources.pod
    for other in [*pod.spec.init_containers, *pod.spec.containers]:
        if other.name == name:
            return other
    raise ConfigError(f"resourceFieldRef: the pod has no container {name}")


def resource_value(resource: str, divisor: str, container: Container, sources: Sources) -> str:
    """What ``resourceFieldRef`` means: whole divisors, rounded up."""
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests") or not name:
        raise ConfigError(f"resourceFieldRef: {resource} is not limits.<name> or requests.<name>")
    given = getattr(container.resources, kind, None) or {}
    amount = given.get(name)
    if amount is None:
        amount = sources.allocatable.get(name, "0") if kind == "limits" else "0"
    unit = divisor if divisor and divisor != "0" else "1"
    if name == "cpu":
        return str(-(-quantity.cpu_millis(amount) // quantity.cpu_millis(unit)))
    return str(-(-quantity.bytes_(amount) // quantity.bytes_(unit)))
