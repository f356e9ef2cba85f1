"""Which ConfigMaps, Secrets and volumes a pod needs on its node. Pure.

They are the ones its node receives and may read; a pod cannot name those of another namespace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from schema import claims
from schema.base import Wire


class Key(NamedTuple):
    namespace: str
    name: str


@dataclass(frozen=True)
class References:
    config_maps: frozenset[Key] = frozenset()
    secrets: frozenset[Key] = frozenset()
    claims: frozenset[Key] = frozenset()
    """Claims, in whose place the node receives the volumes bound to them."""

    def __or__(self, other: References) -> References:
        return References(
            self.config_maps | other.config_maps, self.secrets | other.secrets, self.claims | other.claims
        )


def of_pod(pod: Wire) -> References:
    """From environment (env, envFrom), volumes (projected ones too) and imagePullSecrets."""
    namespace = pod["metadata"].get("namespace", "")
    spec = pod.get("spec") or {}
    found = [*_of_containers(spec), *_of_volumes(spec)]
    found += [("secret", entry.get("name")) for entry in _items(spec, "imagePullSecrets")]
    return References(
        config_maps=frozenset(Key(namespace, name) for what, name in found if what == "configMap" and name),
        secrets=frozenset(Key(namespace, name) for what, name in found if what == "secret" and name),
        claims=frozenset(Key(namespace, name) for name in claims.of_pod(pod).values()),
    )


def _of_containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in _items(spec, group):
            for variable in _items(container, "env"):
                source = variable.get("valueFrom") or {}
                yield "configMap", (source.get("configMapKeyRef") or {}).get("name")
                yield "secret", (source.get("secretKeyRef") or {}).get("name")
            for source in _items(container, "envFrom"):
                yield "configMap", (source.get("configMapRef") or {}).get("name")
                yield "secret", (source.get("secretRef") or {}).get("name")


def _of_volumes(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for volume in _items(spec, "volumes"):
        yield "configMap", (volume.get("configMap") or {}).get("name")
        yield "secret", (volume.get("secret") or {}).get("secretName")
        for source in _items(volume.get("projected") or {}, "sources"):
            yield "configMap", (source.get("configMap") or {}).get("name")
            yield "secret", (source.get("secret") or {}).get("name")


def _items(holder: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    return holder.get(field) or []
