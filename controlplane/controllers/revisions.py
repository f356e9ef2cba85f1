"""The history of a template, as ControllerRevisions: what is newest, what is kept, what to go back to. All but
`of` is pure.

``data`` is a strategic merge patch of the owner, as kubectl expects: ``rollout undo`` applies it as it is. The name follows
from the content, so one template has one revision; going back to it gives it the highest number again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from controlplane.controllers import ownership, pods
from controlplane.controllers.ownership import Claims
from controlplane.store.objects import Create, Delete, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.selectors import LabelSelector

POD_LABEL = "controller-revision-hash"
"""Of pods: what they were made from."""
HASH_LABEL = "controller.kubernetes.io/hash"
"""Of revisions."""
CAUSE = "kubernetes.io/change-cause"
DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class History:
    update: Wire
    """The revision of the template as it is; not stored yet if it is new."""
    writes: Sequence[Write] = ()
    """Makes or renumbers it."""


def of(owner: Wire, selector: LabelSelector) -> Claims:
    """What there is of an owner, with those that an earlier one of its name left behind. Reads."""
    return ownership.claim(owner, selector, pods.owned_by(owner, selector, kinds.CONTROLLER_REVISION))


def name_of(revision: Wire) -> str:
    return str(revision["metadata"]["name"])


def hash_of(revision: Wire) -> str:
    return str((revision["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def template_of(revision: Wire) -> Wire:
    """The pod template that it holds."""
    template = pods.copy((revision.get("data") or {})["spec"]["template"])
    template.pop("$patch", None)
    return template


def look(owner: Wire, known: Sequence[Wire]) -> History:
    """``known`` are the owner's revisions."""
    data = {"spec": {"template": {"$patch": "replace", **(owner["spec"].get("template") or {})}}}
    wanted = _revision(owner, data)
    newest = max((one["revision"] for one in known), default=0)
    present = next((one for one in known if name_of(one) == name_of(wanted)), None)
    cause = (owner["metadata"].get("annotations") or {}).get(CAUSE)
    if present is None:
        wanted["revision"] = newest + 1
        return History(wanted, [Create(kinds.CONTROLLER_REVISION, wanted)])
    if present["revision"] == newest:
        return History(present)
    again = {**present, "revision": newest + 1}
    metadata = present["metadata"]
    change = partial(_renumbered, number=newest + 1, cause=cause)
    write = Patch(kinds.CONTROLLER_REVISION, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])
    return History(again, [write])


def surplus(owner: Wire, known: Sequence[Wire], in_use: Collection[str]) -> list[Write]:
    """Deletions of the oldest beyond the limit; what a pod is made from stays."""
    limit = owner["spec"].get("revisionHistoryLimit")
    limit = DEFAULT_LIMIT if limit is None else int(limit)
    idle = sorted((one for one in known if name_of(one) not in in_use), key=lambda one: int(one["revision"]))
    old = idle[: max(len(idle) - limit, 0)]
    return [Delete(kinds.CONTROLLER_REVISION, one["metadata"]["namespace"], name_of(one)) for one in old]


def _revision(owner: Wire, data: Wire) -> Wire:
    digest = pods.suffix(orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode(), 10)
    metadata = owner["metadata"]
    labels = (owner["spec"].get("template") or {}).get("metadata", {}).get("labels") or {}
    cause = (metadata.get("annotations") or {}).get(CAUSE)
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{metadata['name'][:242]}-{digest}",
            "namespace": metadata["namespace"],
            "labels": {**labels, HASH_LABEL: digest},
            **({"annotations": {CAUSE: cause}} if cause else {}),
            "ownerReferences": [ownership.reference(owner)],
        },
        "data": data,
        "revision": 0,
    }


def _renumbered(revision: Wire, *, number: int, cause: str | None) -> Wire:
    metadata = revision["metadata"]
    annotations = {**(metadata.get("annotations") or {}), **({CAUSE: cause} if cause else {})}
    return {**revision, "metadata": {**metadata, "annotations": annotations}, "revision": number}
