"""``nodeagent image inspect | history``: what an image says of itself, as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from nodeagent.errors import ImageError
from nodeagent.images import reference
from nodeagent.images.disk.state import State
from nodeagent.images.store import ImageStore

SHORTEST_ID = 12
_LONGEST_LINE = 100


def image_id_of(state: State, text: str) -> str:
    """By name, or by the beginning of an id. Raises `ImageError`."""
    plain = text.removeprefix("sha256:")
    if len(plain) >= SHORTEST_ID and all(digit in "0123456789abcdef" for digit in plain):
        found = [image_id for image_id in state.images if image_id[7:].startswith(plain)]
        if len(found) == 1:
            return found[0]
    name = reference.parse(text)
    known = state.references.get(str(name.at(name.digest) if name.digest else name))
    if known is None or known.image_id not in state.images:
        raise ImageError(f"{text} is not on this node")
    return known.image_id


def inspect(store: ImageStore, text: str) -> str:
    state = store.state()
    image_id = image_id_of(state, text)
    record, names = state.images[image_id], state.names_of(image_id)
    shown = {
        "id": image_id,
        "names": [each for each in names if "@" not in each],
        "digests": [each for each in names if "@" in each],
        "sizeBytes": record.size_bytes,
        "layers": list(record.layers),
        "config": _document(store, image_id),
        "manifest": _document(store, record.manifest) if record.manifest else None,
    }
    return json.dumps(shown, indent=2)


def history(store: ImageStore, text: str) -> Iterator[tuple[str, str, str, str]]:
    """Rows of layer, created, size, instruction; the newest first, as docker shows them."""
    state = store.state()
    image_id = image_id_of(state, text)
    record = state.images[image_id]
    sizes = [state.layers[layer].size_bytes if layer in state.layers else 0 for layer in record.layers]
    remaining = list(zip(record.layers, sizes, strict=True))
    document = _document(store, image_id) or {}
    rows = []
    for step in document.get("history") or ():
        layer, size = ("", 0) if step.get("empty_layer") or not remaining else remaining.pop(0)
        text_of = " ".join(str(step.get("created_by") or step.get("comment") or "").split())
        rows.append((layer[7:19] or "-", str(step.get("created") or "")[:19], size, text_of[:_LONGEST_LINE]))
    rows += [(layer[7:19], "", size, "") for layer, size in remaining]
    for layer, created, size, instruction in reversed(rows):
        yield layer, created, str(size), instruction


def _document(store: ImageStore, digest: str) -> Any:
    data = store.document(digest)
    return json.loads(data) if data else None
