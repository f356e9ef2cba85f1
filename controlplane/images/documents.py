"""An image's own documents, its configuration and manifest, as the status of an Image has them. Pure.

Both come from outside (a node, a client that pushed) and are believed only as far as their digests go: a configuration is the
one that its digest names, and a manifest counts when it names that configuration. OCI image-spec 1.0 and Docker's schema 2.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from schema.base import Wire

LARGEST = 1 << 20
"""Bytes of a document. Those of real images have a tenth of that at most."""
MOST_STEPS = 1000
_LONGEST_TEXT = 4096
_SHELL = re.compile(r"^/bin/sh -c\s+(?:#\(nop\)\s+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class Unreadable(ValueError):
    """It is not what its digest says, or no document of an image."""


def read(image_id: str, config: bytes, manifest: bytes = b"") -> Wire:
    """The part of an Image's status that says what it consists of. Raises `Unreadable`."""
    document = _document(config, "configuration")
    if digest_of(config) != image_id:
        raise Unreadable("the configuration is not the one that its digest names")
    blobs = _blobs(image_id, manifest)
    diff_ids = (
        _texts((document.get("rootfs") or {}).get("diff_ids")) if isinstance(document.get("rootfs"), dict) else []
    )
    if len(blobs) != len(diff_ids):
        blobs = [("", 0)] * len(diff_ids)
    steps = _history(document.get("history"), diff_ids)
    made = {step["diffID"]: step for step in steps if step.get("diffID")}
    layers = [
        _clean({**made.get(diff_id, {}), "diffID": diff_id, "digest": digest, "sizeBytes": size})
        for diff_id, (digest, size) in zip(diff_ids, blobs, strict=True)
    ]
    return _clean(
        {
            "imageID": image_id,
            "platform": _platform(document),
            "created": _time(document.get("created")),
            "author": _text(document.get("author")),
            "sizeBytes": sum(size for _, size in blobs),
            "config": _config(document.get("config")),
            "layers": layers,
            "history": steps,
        }
    )


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def instruction(created_by: str) -> str:
    """As a Dockerfile would say it: what the shell ran is a RUN, and what did nothing is the instruction itself."""
    text = created_by.strip()
    bare = _SHELL.sub("", text)
    if bare != text and "#(nop)" not in text[:24]:
        return f"RUN {bare.strip()}"
    return bare.removesuffix("# buildkit").strip()


def _document(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise Unreadable(f"the {what} is larger than {LARGEST} bytes")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Unreadable(f"the {what} is not JSON") from None
    if not isinstance(document, dict):
        raise Unreadable(f"the {what} is not a JSON object")
    return document


def _blobs(image_id: str, manifest: bytes) -> list[tuple[str, int]]:
    """Digest and size of each layer's blob; none where the manifest is of another image."""
    if not manifest:
        return []
    document = _document(manifest, "manifest")
    config = document.get("config")
    layers = document.get("layers")
    if not isinstance(config, dict) or config.get("digest") != image_id or not isinstance(layers, list):
        return []
    sizes = [(_text(each.get("digest")), each.get("size")) for each in layers if isinstance(each, dict)]
    return [(digest, size if isinstance(size, int) and 0 <= size < 1 << 62 else 0) for digest, size in sizes]


def _history(value: Any, diff_ids: Sequence[str]) -> list[Wire]:
    """Steps, with the layer of each that made one; where history and layers do not agree, the layers alone."""
    entries = [each for each in value if isinstance(each, dict)][:MOST_STEPS] if isinstance(value, list) else []
    if sum(not each.get("empty_layer") for each in entries) != len(diff_ids):
        return [{"diffID": each} for each in diff_ids]
    layers = iter(diff_ids)
    return [
        _clean(
            {
                "instruction": instruction(_text(each.get("created_by"))) or _text(each.get("comment")),
                "created": _time(each.get("created")),
                "diffID": "" if each.get("empty_layer") else next(layers),
            }
        )
        for each in entries
    ]


def _config(value: Any) -> Wire:
    config = value if isinstance(value, dict) else {}
    labels = config.get("Labels")
    return _clean(
        {
            "entrypoint": _texts(config.get("Entrypoint")),
            "cmd": _texts(config.get("Cmd")),
            "env": _texts(config.get("Env")),
            "workingDir": _text(config.get("WorkingDir")),
            "user": _text(config.get("User")),
            "exposedPorts": sorted(_texts(config.get("ExposedPorts"))),
            "volumes": sorted(_texts(config.get("Volumes"))),
            "labels": {str(key): _text(each) for key, each in labels.items()} if isinstance(labels, dict) else {},
            "stopSignal": _text(config.get("StopSignal")),
        }
    )


def _platform(document: Mapping[str, Any]) -> str:
    return "/".join(part for key in ("os", "architecture", "variant") if (part := _text(document.get(key))))


def _time(value: Any) -> str:
    """To the second, as objects have it; empty for what is no time."""
    found = _TIME.match(value) if isinstance(value, str) else None
    return f"{found.group()}Z" if found else ""


def _text(value: Any) -> str:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    """Of a list, or the keys of a map."""
    found: Iterable[Any] = value if isinstance(value, list | dict) else ()
    return [_text(each) for each in found if isinstance(each, str)]


def _clean(wire: Wire) -> Wire:
    """Without what says nothing."""
    return {key: value for key, value in wire.items() if value not in ("", 0, [], {}, None)}
