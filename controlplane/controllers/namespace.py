"""Namespaces: each gets its default ServiceAccount and the CA of the API; one that is deleted is emptied first.

Reads namespaces and everything in them. Writes: ServiceAccount ``default``, ConfigMap ``kube-root-ca.crt``, deletions of
content, the namespace's conditions, its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.conf import settings

from controlplane.controllers.base import Controller, Key, Step
from controlplane.controllers.errors import Wait
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Forbidden, NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Delete
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind

ROOT_CA = "kube-root-ca.crt"
DEFAULT_ACCOUNT = "default"
LOOK_AGAIN_SECONDS = 5.0
"""Deletions of content wake us; this is the net below them."""
_LAST = (kinds.EVENT,)
"""Deleted after everything else: the others' end still writes them."""


def content_kinds() -> list[Kind]:
    """In the order in which a namespace is emptied."""
    namespaced = [kind for kind in kinds.ALL if kind.namespaced]
    return [*(kind for kind in namespaced if kind not in _LAST), *_LAST]


def is_terminating(namespace: Wire) -> bool:
    return "deletionTimestamp" in namespace["metadata"]


def remaining(counts: dict[str, int]) -> tuple[str, str]:
    """Reason and message of the condition that says what holds a namespace."""
    if not counts:
        return "ContentRemoved", "All content successfully removed"
    some = ", ".join(f"{plural} has {count} resource instances" for plural, count in sorted(counts.items()))
    return "SomeResourcesRemain", f"Some resources are remaining: {some}"


class NamespaceController(Controller):
    name = "namespace"
    kind = kinds.NAMESPACE

    def steps(self) -> Sequence[Step]:
        return (self.ensure_account, self.ensure_root_ca, self.empty, self.finish)

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NAMESPACE:
            yield "", change.name
        elif change.namespace and (change.type is ChangeType.DELETED or change.name == ROOT_CA):
            yield "", change.namespace

    def ensure_account(self, namespace: Wire) -> None:
        if not is_terminating(namespace):
            self._ensure(kinds.SERVICE_ACCOUNT, namespace, DEFAULT_ACCOUNT, {})

    def ensure_root_ca(self, namespace: Wire) -> None:
        try:
            certificate = (settings.HOME / "pki" / "ca.crt").read_text()
        except OSError:
            return  # no CA of our own: whoever runs the API without one has nothing to hand out
        if is_terminating(namespace):
            return
        data = {"data": {"ca.crt": certificate}}
        self._ensure(kinds.CONFIG_MAP, namespace, ROOT_CA, data)

    def _ensure(self, kind: Kind, namespace: Wire, name: str, content: Wire) -> None:
        home = namespace["metadata"]["name"]
        try:
            objects.mutate(kind, home, name, lambda old: {**old, **content} if content else None)
        except NotFound:
            metadata = {"namespace": home, "name": name}
            try:
                objects.create(
                    kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **content}
                )
            except (AlreadyExists, Forbidden):
                return  # made by somebody else, or the namespace is being deleted since we read it

    def empty(self, namespace: Wire) -> None:
        if not is_terminating(namespace):
            return
        name = namespace["metadata"]["name"]
        counts: dict[str, int] = {}
        for kind in content_kinds():
            if kind in _LAST and counts:
                break
            left = self._delete_all(kind, name)
            if left:
                counts[kind.group_resource] = left
        self._say(namespace, counts)
        if counts:
            raise Wait(LOOK_AGAIN_SECONDS, remaining(counts)[1])

    def _delete_all(self, kind: Kind, namespace: str) -> int:
        """Delete each object that is not already on its way out; how many are still there."""
        found = objects.list_objects(kind, namespace=namespace).items
        going = [
            Delete(kind, namespace, wire["metadata"]["name"])
            for wire in found
            if "deletionTimestamp" not in wire["metadata"]
        ]
        if going:
            objects.write_many(going)
        return len(objects.list_objects(kind, namespace=namespace).items) if found else 0

    def _say(self, namespace: Wire, counts: dict[str, int]) -> None:
        reason, message = remaining(counts)
        condition = {
            "type": "NamespaceContentRemaining",
            "status": "True" if counts else "False",
            "reason": reason,
            "message": message,
        }

        def change(old: Wire) -> Wire | None:
            status = old.get("status") or {}
            others = [c for c in status.get("conditions") or () if c["type"] != condition["type"]]
            same = [c for c in status.get("conditions") or () if c["type"] == condition["type"]]
            if same and all(same[0].get(key) == value for key, value in condition.items()):
                return None
            told = {**condition, "lastTransitionTime": meta.format_time(meta.now())}
            return {**old, "status": {**status, "phase": "Terminating", "conditions": [*others, told]}}

        objects.mutate(kinds.NAMESPACE, "", namespace["metadata"]["name"], change, subresource="status")

    def finish(self, namespace: Wire) -> None:
        if is_terminating(namespace):
            metadata = namespace["metadata"]
            objects.finish_deletion(kinds.NAMESPACE, "", metadata["name"], metadata["uid"])
