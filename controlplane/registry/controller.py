"""Repository objects follow what the registry holds: one comes with the first tag, follows each push, and goes with the last.
Deleting one takes all tags; what they meant is then the garbage collection's.

Reads the registry's disk; writes Repositories. A notification of the registry, or a full pass, says which to look at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from controlplane.controllers.base import Controller, Key, write
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Plan, Step
from controlplane.registry import catalogue, names, setting
from controlplane.store.errors import Conflict
from controlplane.store.objects import Create, Delete, Patch
from schema import kinds
from schema.base import Wire

log = logging.getLogger(__name__)

COMPONENT = "registry"
MADE_BY = "slipway.dev/made-by"
"""The annotation of those that came with a push: they go with the last tag. Others stay as long as somebody wants them."""


class RepositoryController(Controller[Wire | None]):
    name = "repository"
    kind = kinds.REPOSITORY
    finalizer = "slipway.dev/registry"
    reports = False

    def all_keys(self) -> Iterable[Key]:
        if not setting.enabled():
            return
        yield from dict.fromkeys([*super().all_keys(), *catalogue.keys()])

    def gone(self, namespace: str, name: str) -> None:
        """Something new was pushed, or there is nothing."""
        path = catalogue.find(namespace, name) if setting.enabled() else ""
        if not path:
            return
        made = catalogue.new(path)
        made["metadata"] |= {"finalizers": [self.finalizer], "annotations": {MADE_BY: "push"}}
        try:
            write([Create(kinds.REPOSITORY, made)])
        except (Stalled, Conflict) as error:  # its namespace is gone or going, or somebody was faster
            log.debug("repository %s is not listed: %s", path, error)

    def gather(self, obj: Wire) -> Wire | None:
        return catalogue.status(obj["spec"]["path"])

    def plan(self, obj: Wire, children: Wire | None, now: datetime) -> Plan:
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        if names.object_name(obj["spec"]["path"]) != name:
            return Plan(
                [Step("it has not the name of its repository", [self._let_go(obj), Delete(self.kind, namespace, name)])]
            )
        if children is None and MADE_BY not in (obj["metadata"].get("annotations") or {}):
            children = catalogue.EMPTY  # somebody wrote it down before the first push
        if children is None:
            # Without our finalizer: a tag that is pushed at this moment must not be taken by the deletion of the last one.
            return Plan([Step("its last tag is gone", [self._let_go(obj), Delete(self.kind, namespace, name)])])
        present = obj.get("status") or {}
        if all(present.get(key) == value for key, value in children.items()):
            return Plan()
        found = children

        def change(stored: Wire) -> Wire:
            return {**stored, "status": {**(stored.get("status") or {}), **found}}

        follow = Patch(kinds.REPOSITORY, namespace, name, change, subresource="status", uid=obj["metadata"]["uid"])
        return Plan([Step("follow the registry", [follow], list(_told(obj, present, children)))])

    def _let_go(self, obj: Wire) -> Patch:
        metadata = obj["metadata"]
        return Patch(self.kind, metadata["namespace"], metadata["name"], self._without, uid=metadata["uid"])

    def _without(self, stored: Wire) -> Wire:
        metadata = stored["metadata"]
        others = [each for each in metadata.get("finalizers") or () if each != self.finalizer]
        return {**stored, "metadata": {**metadata, "finalizers": others}}

    def plan_deletion(self, obj: Wire, children: Wire | None, now: datetime) -> Plan:
        if children is None:
            return Plan()
        path = obj["spec"]["path"]
        record = Record(obj, "Normal", "Deleted", f"{children['tagCount']} tags of {path} are deleted", COMPONENT)
        take = Step("take its tags", [], [record], act=partial(catalogue.storage().untag_all, path))
        return Plan([take], outcome=Wait(0.0, "its tags are being taken"))


def _told(obj: Wire, before: Wire, after: Wire) -> Iterable[Record]:
    """An event for each tag that came or moved, as far as the object lists them."""
    known = {tag["name"]: tag["digest"] for tag in before.get("tags") or ()}
    for tag in after["tags"][:10]:
        if known.get(tag["name"]) != tag["digest"]:
            what = "now means" if tag["name"] in known else "was pushed:"
            yield Record(obj, "Normal", "Pushed", f"tag {tag['name']} {what} {tag['digest']}", COMPONENT)
