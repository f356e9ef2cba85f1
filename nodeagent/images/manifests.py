"""Reading manifests, indexes and configs (pure): OCI image-spec 1.1 and Docker image manifest v2 schema 2."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodeagent.facilities import ImageConfig
from nodeagent.images import errors

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST))

LARGEST_MANIFEST = 4 * 1024 * 1024
LARGEST_CONFIG = 8 * 1024 * 1024
MOST_LAYERS = 500
"""As many as overlayfs stacks (OVL_MAX_STACK)."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_CONFIGS = {
    OCI_CONFIG,
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
    "",
}
_LAYER = re.compile(
    r"application/vnd\.(oci\.image\.layer(\.nondistributable)?\.v1\.tar(\+(gzip|zstd))?"
    r"|docker\.image\.rootfs\.(diff|foreign\.diff)\.tar(\.(gzip|zstd))?)",
    re.ASCII,
)


@dataclass(frozen=True)
class Descriptor:
    digest: str
    size: int
    media_type: str = ""


@dataclass(frozen=True)
class Manifest:
    config: Descriptor
    layers: Sequence[Descriptor]


@dataclass(frozen=True)
class Platform:
    architecture: str
    variant: str = ""
    os: str = "linux"

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class Config:
    """An image's configuration: how to run it, and the digests of its layers' contents, lowest first."""

    run: ImageConfig
    diff_ids: Sequence[str]


_MACHINES = {
    "x86_64": Platform("amd64"),
    "aarch64": Platform("arm64", "v8"),
    "armv7l": Platform("arm", "v7"),
    "armv6l": Platform("arm", "v6"),
    "i686": Platform("386"),
    "ppc64le": Platform("ppc64le"),
    "s390x": Platform("s390x"),
    "riscv64": Platform("riscv64"),
    "loongarch64": Platform("loong64"),
}
_VARIANTS = {
    ("amd64", ""): ("", "v1"),
    ("arm64", "v8"): ("v8", "", "v8.0"),
    ("arm", "v7"): ("v7", "", "v6", "v5"),
    ("arm", "v6"): ("v6", "", "v5"),
}
"""What runs on a host of an architecture and variant, best first."""


def platform_of(machine: str) -> Platform:
    """For the machine name that uname gives."""
    return _MACHINES.get(machine, Platform(machine))


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def load(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise errors.BadImage(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise errors.BadImage(f"{what} is not a JSON object")
    return value


def is_index(document: Mapping[str, Any]) -> bool:
    return document.get("mediaType") in (OCI_INDEX, DOCKER_INDEX) or (
        "manifests" in document and "layers" not in document
    )


def parse(document: Mapping[str, Any], what: str) -> Manifest:
    """An image manifest. Raises `BadImage` for anything that cannot be run as a container."""
    if document.get("schemaVersion") != 2:
        raise errors.BadImage(
            f"{what} has the manifest format of before 2017 (schema 1): push it again with a newer tool"
        )
    config = _descriptor(document.get("config"), f"{what}: config")
    if config.media_type not in _CONFIGS:
        raise errors.BadImage(f"{what} is not a container image (its config is {config.media_type[:200]!r})")
    layers = document.get("layers")
    if not isinstance(layers, list):
        raise errors.BadImage(f"{what} has no list of layers")
    if len(layers) > MOST_LAYERS:
        raise errors.BadImage(f"{what} has {len(layers)} layers; at most {MOST_LAYERS} can be stacked")
    parsed = [_descriptor(one, f"{what}: layer {number}") for number, one in enumerate(layers, 1)]
    for number, layer in enumerate(parsed, 1):
        if not _LAYER.fullmatch(layer.media_type):
            raise errors.BadImage(f"{what}: layer {number} is {layer.media_type[:200]!r}, which cannot be unpacked")
    return Manifest(config, parsed)


def _descriptor(value: Any, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise errors.BadImage(f"{what} is missing from its manifest")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType", "")
    if not isinstance(digest, str) or not is_digest(digest):
        raise errors.BadImage(f"{what} has {str(digest)[:100]!r} where a sha256 digest should be")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise errors.BadImage(f"{what} has {str(size)[:100]!r} for its size")
    return Descriptor(digest, size, media_type if isinstance(media_type, str) else "")


def choose(document: Mapping[str, Any], host: Platform, what: str) -> Descriptor:
    """The member of an index that suits ``host`` best. Raises `BadImage` with what there is instead."""
    found = document.get("manifests")
    members = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    if len(members) == 1 and not members[0].get("platform"):
        return _descriptor(members[0], what)
    ranks = _VARIANTS.get((host.architecture, host.variant), (host.variant, ""))
    best: tuple[int, dict[str, Any]] | None = None
    for member in members:
        platform = _platform(member)
        if platform.os != host.os or platform.architecture != host.architecture or platform.variant not in ranks:
            continue
        rank = ranks.index(platform.variant)
        if best is None or rank < best[0]:
            best = rank, member
    if best is None:
        there = sorted({str(_platform(one)) for one in members} - {"unknown/unknown", ""})
        raise errors.BadImage(f"{what} has no variant for {host}; it has {', '.join(there)[:500] or 'none at all'}")
    return _descriptor(best[1], what)


def _platform(member: Mapping[str, Any]) -> Platform:
    value = member.get("platform")
    value = value if isinstance(value, dict) else {}
    return Platform(_text(value, "architecture"), _text(value, "variant"), _text(value, "os"))


def listed(manifest: bytes) -> dict[str, int]:
    """Digest to size of what a manifest lists; nothing for what is no manifest."""
    try:
        parsed = parse(load(manifest, "the manifest"), "the manifest")
    except errors.BadImage:
        return {}
    return {one.digest: one.size for one in (parsed.config, *parsed.layers)}


def made(config: bytes, layers: Sequence[Descriptor]) -> bytes:
    """For an image that came without a manifest: for the same image the same bytes, wherever that is."""
    described = Descriptor(digest_of(config), len(config), OCI_CONFIG)
    config_wire, *layer_wires = (
        {"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in (described, *layers)
    )
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_wire, "layers": layer_wires}
    return json.dumps(document, separators=(",", ":")).encode()


def parse_config(data: bytes, what: str) -> Config:
    document = load(data, f"{what}: config")
    if document.get("os", "linux") not in ("linux", ""):
        raise errors.BadImage(f"{what} is an image for {str(document['os'])[:50]!r}, not for linux")
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if diff_ids is None:
        diff_ids = []
    if not isinstance(diff_ids, list) or not all(isinstance(one, str) and is_digest(one) for one in diff_ids):
        raise errors.BadImage(f"{what}: config has no proper list of layer digests (rootfs.diff_ids)")
    return Config(run_config(document.get("config")), diff_ids)


def run_config(value: Any) -> ImageConfig:
    """From an image config's ``config``; what is missing or of a wrong type is left empty, as Docker does."""
    value = value if isinstance(value, dict) else {}
    return ImageConfig(
        entrypoint=_texts(value.get("Entrypoint")),
        command=_texts(value.get("Cmd")),
        environment=_texts(value.get("Env")),
        working_dir=_text(value, "WorkingDir"),
        user=_text(value, "User"),
        stop_signal=_text(value, "StopSignal"),
        exposed_ports=_keys(value.get("ExposedPorts")),
        volumes=_keys(value.get("Volumes")),
    )


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _keys(value: Any) -> tuple[str, ...]:
    return tuple(sorted(value)) if isinstance(value, dict) else ()
