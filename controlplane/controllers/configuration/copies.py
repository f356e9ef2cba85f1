"""Copies of ConfigMaps and Secrets: made for one workload, never changed, gone with it. Pure.

The name of a copy says which version of the original it was made from, and nothing of its content: a hash of a Secret
in the name would let whoever may read names try passwords. Content that was copied before is found by comparing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from controlplane.controllers import ownership, pods
from controlplane.controllers.configuration.references import Reference
from controlplane.store.objects import Create, Delete
from schema import kinds
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import LabelSelector

OWNER_LABEL = "slipway.dev/configuration-of"
"""Of copies: the uid of the workload."""
ORIGINAL = "slipway.dev/copy-of"
"""Annotation of copies: the name of the original."""
_KINDS = {each.kind: each for each in (kinds.CONFIG_MAP, kinds.SECRET)}
_LONGEST_NAME = 253
_LETTERS = 10


def selector(owner: Wire) -> LabelSelector:
    return LabelSelector.from_object({"matchLabels": {OWNER_LABEL: owner["metadata"]["uid"]}})


def is_copy(labels: Collection[str]) -> bool:
    return OWNER_LABEL in labels


def reference_of(wire: Wire) -> Reference:
    """What a ConfigMap or Secret is called."""
    return Reference(wire["kind"], wire["metadata"]["name"])


def original_of(copy: Wire) -> Reference:
    return Reference(copy["kind"], (copy["metadata"].get("annotations") or {}).get(ORIGINAL, ""))


def content(wire: Wire) -> tuple[Any, ...]:
    """What pods can see of it, and its type."""
    return wire.get("data") or {}, wire.get("binaryData") or {}, wire.get("type") or ""


def find(source: Wire, copies: Iterable[Wire]) -> Wire | None:
    """The copy that holds what the original holds now; the first by name, should there be several."""
    wanted, held = reference_of(source), content(source)
    same = [each for each in copies if original_of(each) == wanted and content(each) == held]
    return min(same, key=lambda each: str(each["metadata"]["name"])) if same else None


def make(source: Wire, owner: Wire) -> Wire:
    """The copy of the original as it is now. Two passes that see the same version make the same."""
    name, namespace = source["metadata"]["name"], owner["metadata"]["namespace"]
    version = f"{source['metadata']['uid']} {source['metadata']['resourceVersion']}"
    ending = pods.suffix(f"{owner['metadata']['uid']} {source['kind']} {version}", _LETTERS)
    metadata = {
        "name": f"{name[: _LONGEST_NAME - _LETTERS - 1].rstrip('.-')}-{ending}",
        "namespace": namespace,
        "labels": {OWNER_LABEL: owner["metadata"]["uid"]},
        "annotations": {ORIGINAL: name},
        "ownerReferences": [ownership.reference(owner)],
    }
    held = {part: source[part] for part in ("data", "binaryData", "type") if source.get(part)}
    return {"apiVersion": "v1", "kind": source["kind"], "metadata": metadata, **held, "immutable": True}


def changed_keys(before: Wire, after: Wire) -> list[str]:
    """Keys that are new, gone or say something else."""
    old, new = _keys(before), _keys(after)
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _keys(wire: Wire) -> dict[str, Any]:
    return {**(wire.get("data") or {}), **{key: (value,) for key, value in (wire.get("binaryData") or {}).items()}}


def creation(copy: Wire) -> Create:
    return Create(_KINDS[copy["kind"]], copy)


def deletion(copy: Wire) -> Delete:
    metadata = copy["metadata"]
    options = DeleteOptions(preconditions=Preconditions(uid=metadata["uid"]))
    return Delete(_KINDS[copy["kind"]], metadata["namespace"], metadata["name"], options)
