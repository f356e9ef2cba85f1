"""Between a row and the object as it travels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from controlplane.store import encryption
from controlplane.store.errors import Invalid
from controlplane.store.storage import Storage
from schema.base import Wire

_OWN_METADATA = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "selfLink",
    }
)
"""Has a column, or is not kept."""
_NOT_CONTENT = frozenset({"apiVersion", "kind", "metadata", "status"})


@dataclass(slots=True)
class Row:
    """A row in memory, its JSON parsed. ``stored`` is the revision that the database holds; 0: not there yet."""

    storage: Storage
    uid: str
    namespace: str
    name: str
    revision: int
    generation: int
    created_at: str
    deleted_at: str
    grace_seconds: int | None
    labels: dict[str, str]
    metadata: Wire
    spec: Wire
    status: Wire
    stored: int = 0

    @property
    def finalizers(self) -> list[str]:
        return self.metadata.get("finalizers") or []

    @property
    def owner_uids(self) -> set[str]:
        return {reference["uid"] for reference in self.metadata.get("ownerReferences") or ()}


def dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise Invalid(f"not storable as JSON: {error}") from error


def copy(value: Wire) -> Wire:
    """Deep, and quicker than copy.deepcopy."""
    copied: Wire = orjson.loads(dumps(value))
    return copied


def content(storage: Storage, wire: Wire) -> Wire:
    """What ``spec`` holds: the spec, or for flat kinds everything at the top level."""
    if storage.flat:
        return {key: value for key, value in wire.items() if key not in _NOT_CONTENT}
    spec: Wire = wire.get("spec") or {}
    return spec


def other_metadata(metadata: Wire) -> Wire:
    return {key: value for key, value in metadata.items() if key not in _OWN_METADATA and value not in (None, [], {})}


def wire(row: Row) -> Wire:
    kind = row.storage.kind
    built: Wire = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": _metadata(row)}
    if row.storage.flat:
        built.update(row.spec)
    else:
        built["spec"] = row.spec
    if row.status:
        built["status"] = row.status
    return built


def _metadata(row: Row) -> Wire:
    built: Wire = {"name": row.name}
    if row.namespace:
        built["namespace"] = row.namespace
    built["uid"] = row.uid
    if row.revision:
        built["resourceVersion"] = str(row.revision)
    built["generation"] = row.generation
    built["creationTimestamp"] = row.created_at
    if row.deleted_at:
        built["deletionTimestamp"] = row.deleted_at
        if row.grace_seconds is not None:
            built["deletionGracePeriodSeconds"] = row.grace_seconds
    if row.labels:
        built["labels"] = row.labels
    built.update(row.metadata)
    return built


def encoded(storage: Storage, values: Sequence[Any]) -> bytes:
    """The JSON text of `wire`, put together from the values of `storage.COLUMNS`, which hold JSON texts already."""
    uid, namespace, name, revision, generation, created, deleted, grace, labels, metadata, spec, status = values[:12]
    head: Wire = {"name": name}
    if namespace:
        head["namespace"] = namespace
    head |= {
        "uid": uid,
        "resourceVersion": str(revision),
        "generation": generation,
        "creationTimestamp": created,
    }
    if deleted:
        head["deletionTimestamp"] = deleted
        if grace is not None:
            head["deletionGracePeriodSeconds"] = grace
    meta = dumps(head)
    if labels != "{}":
        meta = b'%b,"labels":%b}' % (meta[:-1], labels.encode())
    meta = _joined(meta, _opened_text(storage, uid, "metadata", metadata))
    body = b'%b"metadata":%b}' % (storage.json_prefix, meta)
    content_text = _opened_text(storage, uid, "spec", spec)
    body = _joined(body, content_text) if storage.flat else b'%b,"spec":%b}' % (body[:-1], content_text)
    return b'%b,"status":%b}' % (body[:-1], status.encode()) if status else body


def _joined(first: bytes, second: bytes) -> bytes:
    """Two JSON objects as one; the first is not empty."""
    return first if second == b"{}" else b"%b,%b" % (first[:-1], second[1:])


def columns(row: Row, promoted: Mapping[str, Any]) -> list[Any]:
    """The values of ``storage.column_names``."""
    storage = row.storage
    return [
        row.uid,
        row.namespace,
        row.name,
        row.revision,
        row.generation,
        row.created_at,
        row.deleted_at,
        row.grace_seconds,
        dumps(row.labels).decode(),
        _sealed(storage, row.uid, "metadata", row.metadata),
        _sealed(storage, row.uid, "spec", row.spec),
        dumps(row.status).decode() if row.status else "",
        *(promoted[column] for column in storage.promoted),
    ]


def row(storage: Storage, values: Sequence[Any]) -> Row:
    """From the values of `storage.COLUMNS`."""
    uid, namespace, name, revision, generation, created, deleted, grace, labels, metadata, spec, status = values[:12]
    return Row(
        storage,
        uid,
        namespace,
        name,
        revision,
        generation,
        created,
        deleted,
        grace,
        orjson.loads(labels),
        _opened(storage, uid, "metadata", metadata),
        _opened(storage, uid, "spec", spec),
        orjson.loads(status) if status else {},
        revision,
    )


def _context(storage: Storage, uid: str, part: str) -> str:
    return f"{storage.id}/{uid}/{part}"


def _sealed(storage: Storage, uid: str, part: str, value: Wire) -> str:
    text = dumps(value)
    # Annotations are sealed too: kubectl apply keeps the last applied object, data and all, in one.
    return encryption.seal(text, _context(storage, uid, part)) if storage.encrypted else text.decode()


def _opened(storage: Storage, uid: str, part: str, text: str) -> Any:
    return orjson.loads(encryption.unseal(text, _context(storage, uid, part)) if storage.encrypted else text)


def _opened_text(storage: Storage, uid: str, part: str, text: str) -> bytes:
    return encryption.unseal(text, _context(storage, uid, part)) if storage.encrypted else text.encode()


def seal_change(storage: Storage, uid: str, revision: int, raw: bytes) -> str:
    """The object as the history keeps it."""
    return encryption.seal(raw, _context(storage, uid, str(revision))) if storage.encrypted else raw.decode()


def unseal_change(storage: Storage, uid: str, revision: int, text: str) -> bytes:
    return encryption.unseal(text, _context(storage, uid, str(revision))) if storage.encrypted else text.encode()


def reseal_parts(storage: Storage, uid: str, metadata: str, spec: str) -> list[str]:
    """Metadata and spec under the current key, then the uid."""
    parts = {"metadata": metadata, "spec": spec}
    contexts = {part: _context(storage, uid, part) for part in parts}
    return [
        *(encryption.seal(encryption.unseal(text, contexts[part]), contexts[part]) for part, text in parts.items()),
        uid,
    ]


def reseal_change(storage: Storage, revision: int, uid: str, text: str) -> list[Any]:
    return [seal_change(storage, uid, revision, unseal_change(storage, uid, revision, text)), revision]
