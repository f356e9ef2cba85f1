"""Bounds and choices of the image part, with their units and defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.errors import AgentError

GIGABYTE = 1024**3


@dataclass(frozen=True)
class Limits:
    """What one layer may be. Whatever exceeds it is refused before it can hurt the node."""

    entries: int = 1_000_000
    unpacked_bytes: int = 64 * GIGABYTE
    """Absolute bound of a layer's files; the file system's free space, less ``reserve_bytes``, bounds it as well."""
    expansion: int = 1100
    """Times the compressed bytes. Deflate cannot exceed 1032; zstd can, by orders of magnitude."""
    reserve_bytes: int = 256 * 1024**2
    """Free disk that unpacking leaves alone."""


@dataclass(frozen=True)
class ImageSettings:
    certificate_dirs: Sequence[Path] = (Path("/etc/slipway/certs.d"), Path("/etc/docker/certs.d"))
    """Extra CAs in ``<dir>/<host:port>/*.crt``, as Docker has them, and for all hosts in ``<dir>/*.crt``."""
    insecure_hosts: frozenset[str] = frozenset()
    """Hosts (with port) spoken to over plain http. Loopback addresses are by themselves."""
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Host to the servers that are asked before it: ``{"docker.io": ["mirror.example:5000"]}``."""
    parallel_layers: int = 3
    """Layers downloaded at once, over all pulls."""
    parallel_pieces: int = 4
    """Ranges of a large layer that are asked for at once…"""
    piece_bytes: int = 2 * 1024**2
    """…each of so many bytes, which wait in memory for their turn."""
    attempts: int = 5
    """Tries in a row of a request that fails on the network without any progress."""
    retry_seconds: float = 0.5
    """Wait before the second try; doubles with each, up to 20 s."""
    limits: Limits = field(default_factory=Limits)
    unused_seconds: float = 14 * 24 * 3600
    """An image that nobody ran for so long may go."""
    is_by_hand: bool = False
    """A person on a command line, whose logins are no pod's."""
    blob_bytes: int = 5 * GIGABYTE
    """Disk that layers as they came may take, kept for other nodes; never more than a twentieth of the file system. 0: none is
    kept."""
    disk_high_percent: float = 85.0
    """From this use of the file system on, unused images go, least recently used first…"""
    disk_low_percent: float = 80.0
    """…until it is down to this."""


class SettingError(AgentError):
    """A variable that makes no sense; its name is in the text."""


def from_environment(environment: Mapping[str, str] | None = None) -> ImageSettings:
    """``SLIPWAY_REGISTRY_INSECURE=a:5000,b``, ``SLIPWAY_REGISTRY_MIRRORS=docker.io=m1:5000,docker.io=m2``,
    ``SLIPWAY_REGISTRY_CERTS=/dir:/dir``, and of what is kept ``SLIPWAY_IMAGE_DISK_HIGH=85``, ``SLIPWAY_IMAGE_DISK_LOW=80``
    (percent), ``SLIPWAY_IMAGE_UNUSED_HOURS=336``, ``SLIPWAY_IMAGE_SHARED=5Gi``. Raises `SettingError`."""
    values = os.environ if environment is None else environment
    mirrors: dict[str, list[str]] = {}
    for pair in _words(values.get("SLIPWAY_REGISTRY_MIRRORS", "")):
        host, _, server = pair.partition("=")
        mirrors.setdefault(host, []).append(server)
    default = ImageSettings()
    dirs = [Path(one) for one in values.get("SLIPWAY_REGISTRY_CERTS", "").split(":") if one]
    return ImageSettings(
        certificate_dirs=dirs or default.certificate_dirs,
        insecure_hosts=frozenset(_words(values.get("SLIPWAY_REGISTRY_INSECURE", ""))),
        mirrors=mirrors,
        blob_bytes=_bytes(values, "SLIPWAY_IMAGE_SHARED", default.blob_bytes),
        unused_seconds=3600 * _number(values, "SLIPWAY_IMAGE_UNUSED_HOURS", default.unused_seconds / 3600, 10**6),
        disk_high_percent=(high := _number(values, "SLIPWAY_IMAGE_DISK_HIGH", default.disk_high_percent, 100)),
        disk_low_percent=_number(values, "SLIPWAY_IMAGE_DISK_LOW", min(default.disk_low_percent, high), high),
    )


def _number(values: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = values.get(name, "")
    try:
        number = float(text or default)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise SettingError(f"{name} is {text!r}: it must be a number from 0 to {most:g}")
    return number


def _bytes(values: Mapping[str, str], name: str, default: int) -> int:
    from schema import quantity

    text = values.get(name, "")
    try:
        amount = quantity.bytes_(text) if text else default
    except quantity.QuantityError as error:
        raise SettingError(f"{name}: {error}") from None
    if amount < 0:
        raise SettingError(f"{name} is {text!r}: it must not be negative")
    return amount


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]
