"""Images lose the sources that are gone, and go with the last; what the cluster's registry has becomes a source."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.plan import Plan, Step
from controlplane.images import keeping
from controlplane.images.pushed import held_by
from controlplane.registry import setting
from controlplane.store import objects
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Patch
from schema import kinds
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions


class ImageController(Controller[frozenset[str]]):
    """One Image: its sources."""

    name = "image"
    kind = kinds.IMAGE
    reports = False

    def gather(self, obj: Wire) -> frozenset[str]:
        """The sources that there are."""
        nodes = {f"node/{each['metadata']['name']}" for each in objects.list_objects(kinds.NODE).items}
        repositories = {
            f"repository/{each['metadata']['namespace']}/{each['metadata']['name']}"
            for each in objects.list_objects(kinds.REPOSITORY).items
        }
        return frozenset(nodes | repositories)

    def plan(self, obj: Wire, children: frozenset[str], now: datetime) -> Plan:
        meta = obj["metadata"]
        sources = [each["name"] for each in (obj.get("status") or {}).get("sources") or ()]
        gone = [each for each in sources if each not in children]
        if len(gone) == len(sources):
            as_read = Preconditions(uid=meta["uid"], resource_version=meta["resourceVersion"])
            return Plan(
                [Step("nobody has it", [Delete(self.kind, "", meta["name"], DeleteOptions(preconditions=as_read))])]
            )
        patches = [Patch(self.kind, "", meta["name"], partial(keeping.without, source=each), "status") for each in gone]
        return Plan([Step("forget who is gone", patches)] if patches else [])


class PushedImagesController(Controller[None]):
    """One Repository: the images that its tags mean."""

    name = "pushed-images"
    kind = kinds.REPOSITORY
    reports = False

    def gather(self, obj: Wire) -> None:
        return None

    def plan(self, obj: Wire, children: None, now: datetime) -> Plan:
        if not setting.enabled():
            return Plan()
        meta = obj["metadata"]
        source = f"repository/{meta['namespace']}/{meta['name']}"

        def follow() -> None:
            keeping.keep(source, held_by(obj))

        return Plan([Step("follow the repository", act=follow)])

    def gone(self, namespace: str, name: str) -> None:
        keeping.keep(f"repository/{namespace}/{name}", {})


class NodeImagesController(Controller[None]):
    """One Node: when it is gone, it has no images. What a node has it says itself."""

    name = "node-images"
    kind = kinds.NODE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NODE and change.type is ChangeType.DELETED:
            yield "", change.name

    def all_keys(self) -> Iterable[Key]:
        """None: `ImageController` looks for sources that are gone."""
        return ()

    def gather(self, obj: Wire) -> None:
        return None

    def plan(self, obj: Wire, children: None, now: datetime) -> Plan:
        return Plan()

    def gone(self, namespace: str, name: str) -> None:
        keeping.keep(f"node/{name}", {})
