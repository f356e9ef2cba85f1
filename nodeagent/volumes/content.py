"""The files of configMap, secret, downwardAPI and projected volumes, decided without touching the disk. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from nodeagent.errors import ConfigError, VolumeError
from nodeagent.pods import environment
from schema.base import Wire
from schema.core.pod import Pod
from schema.core.volume import DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection

DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class File:
    data: bytes = field(repr=False)
    mode: int


Files = dict[str, File]
"""Relative path in the volume to what is there."""


@dataclass(frozen=True)
class Objects:
    """ConfigMaps and Secrets of the pod's namespace, by name."""

    config_maps: Mapping[str, Wire]
    secrets: Mapping[str, Wire] = field(repr=False)
    node_name: str = ""
    volumes: Mapping[str, Wire] = field(default_factory=dict)
    """PersistentVolumes by the name of their claim."""


def is_from_objects(volume: Volume) -> bool:
    return bool(volume.config_map or volume.secret or volume.downward_api or volume.projected)


def holds_secrets(volume: Volume) -> bool:
    """Whether it must stay in memory."""
    return bool(volume.secret or (volume.projected and any(source.secret for source in volume.projected.sources)))


def files(pod: Pod, volume: Volume, objects: Objects) -> Files:
    """Raises `VolumeError` where something that is not optional is missing."""
    if source := volume.config_map:
        return _config_map(volume.name, source.name, source.items, source.optional, objects, source.default_mode)
    if secret := volume.secret:
        return _secret(volume.name, secret.secret_name, secret.items, secret.optional, objects, secret.default_mode)
    if downward := volume.downward_api:
        return _downward(pod, volume.name, downward.items, objects, downward.default_mode)
    merged: Files = {}
    if projected := volume.projected:
        for part in projected.sources:
            merged |= _projection(pod, volume.name, part, objects, projected.default_mode)
    return merged


def _projection(pod: Pod, where: str, part: VolumeProjection, objects: Objects, mode: int | None) -> Files:
    if source := part.config_map:
        return _config_map(where, source.name, source.items, source.optional, objects, mode)
    if secret := part.secret:
        return _secret(where, secret.name, secret.items, secret.optional, objects, mode)
    if downward := part.downward_api:
        return _downward(pod, where, downward.items, objects, mode)
    raise VolumeError(f"volume {where}: serviceAccountToken and clusterTrustBundle sources are not made yet")


def _config_map(
    where: str, name: str, items: Sequence[KeyToPath], optional: bool | None, objects: Objects, mode: int | None
) -> Files:
    found = objects.config_maps.get(name)
    if found is None:
        return _absent(where, f'configmap "{name}"', optional)
    data = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
    data |= {key: _decode(where, key, value) for key, value in (found.get("binaryData") or {}).items()}
    return _pick(where, f'configmap "{name}"', data, items, optional, mode)


def _secret(
    where: str, name: str, items: Sequence[KeyToPath], optional: bool | None, objects: Objects, mode: int | None
) -> Files:
    found = objects.secrets.get(name)
    if found is None:
        return _absent(where, f'secret "{name}"', optional)
    data = {key: _decode(where, key, value) for key, value in (found.get("data") or {}).items()}
    data |= {key: str(value).encode() for key, value in (found.get("stringData") or {}).items()}
    return _pick(where, f'secret "{name}"', data, items, optional, mode)


def _absent(where: str, what: str, optional: bool | None) -> Files:
    if optional:
        return {}
    raise VolumeError(f"volume {where}: {what} not found")


def _decode(where: str, key: str, value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise VolumeError(f"volume {where}: the value of key {key!r} is no base64") from error


def _pick(
    where: str,
    what: str,
    data: Mapping[str, bytes],
    items: Iterable[KeyToPath],
    optional: bool | None,
    default_mode: int | None,
) -> Files:
    mode = DEFAULT_MODE if default_mode is None else default_mode
    wanted = list(items)
    if not wanted:
        return {key: File(value, mode) for key, value in data.items()}
    picked: Files = {}
    for item in wanted:
        if item.key in data:
            picked[_path(where, item.path)] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError(f"volume {where}: {what} has no key {item.key!r}")
    return picked


def _path(where: str, text: str) -> str:
    path = PurePosixPath(text)
    if not path.parts or path.is_absolute() or ".." in path.parts or path.parts[0].startswith(".."):
        raise VolumeError(f"volume {where}: {text!r} is no path within the volume")
    return str(path)


def _downward(
    pod: Pod, where: str, items: Iterable[DownwardAPIVolumeFile], objects: Objects, default_mode: int | None
) -> Files:
    mode = DEFAULT_MODE if default_mode is None else default_mode
    sources = environment.Sources(pod=pod, node_name=objects.node_name)
    result: Files = {}
    for item in items:
        try:
            value = _downward_value(pod, item, sources)
        except ConfigError as error:
            raise VolumeError(f"volume {where}: {error}") from error
        result[_path(where, item.path)] = File(value.encode(), mode if item.mode is None else item.mode)
    return result


def _downward_value(pod: Pod, item: DownwardAPIVolumeFile, sources: environment.Sources) -> str:
    if field_ref := item.field_ref:
        match field_ref.field_path:
            case "metadata.labels":
                return _pairs(pod.metadata.labels or {})
            case "metadata.annotations":
                return _pairs(pod.metadata.annotations or {})
            case path:
                return environment.field_value(path, sources)
    if resource := item.resource_field_ref:
        for container in [*pod.spec.init_containers, *pod.spec.containers]:
            if container.name == resource.container_name:
                return environment.resource_value(resource.resource, str(resource.divisor or ""), container, sources)
        raise ConfigError(f"resourceFieldRef: the pod has no container {resource.container_name!r}")
    raise ConfigError(f"{item.path}: neither fieldRef nor resourceFieldRef")


def _pairs(pairs: Mapping[str, str]) -> str:
    """``key="value"`` lines, sorted and quoted, as the kubelet writes them."""
    escaped = {
        key: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for key, value in pairs.items()
    }
    return "".join(f'{key}="{value}"\n' for key, value in sorted(escaped.items()))
