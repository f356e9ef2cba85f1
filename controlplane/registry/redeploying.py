"""Autoredeploy at work: a controller for each kind of workload, and the look at outside registries.

Our own registry says what was pushed (`controller.RepositoryController` follows it), and a Repository that changed has the
workloads that name it looked at. What tags of other registries mean is asked every ``SLIPWAY_AUTOREDEPLOY_SECONDS``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import ClassVar

from controlplane.controllers.base import Controller, Key, take
from controlplane.controllers.events import Record, record_many
from controlplane.controllers.plan import Plan, Step
from controlplane.registry import autoredeploy, names, outside, setting
from controlplane.registry.autoredeploy import Move
from controlplane.registry.models import SeenDigest
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

log = logging.getLogger(__name__)

COMPONENT = "autoredeploy"
WORKLOADS = (kinds.DEPLOYMENT, kinds.STATEFUL_SET, kinds.DAEMON_SET)


class AutoredeployController(Controller[Wire | None]):
    """Its key is a Repository; it writes the template annotations of the workloads that name it, and nothing else."""

    name: ClassVar[str] = "autoredeploy"
    kind = kinds.REPOSITORY
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind in WORKLOADS and autoredeploy.is_asked(change.object):
            yield from repositories_of(change.object)

    def all_keys(self) -> Iterable[Key]:
        return dict.fromkeys(key for _, workload in asked() for key in repositories_of(workload))

    def gather(self, obj: Wire) -> Wire | None:
        return None

    def plan(self, obj: Wire, children: Wire | None, now: datetime) -> Plan:
        steps = []
        for kind, workload in using(obj):
            meant = meant_by(obj, workload)
            step = move_step(kind, workload, meant)
            if step is not None:
                steps.append(step)
        return Plan(steps)


def repositories_of(workload: Wire) -> Iterator[Key]:
    """Of our registry; by name only."""
    own = set(setting.aliases())
    for _, image in autoredeploy.watched(workload):
        if image.host in own and names.is_repository(image.repository):
            yield names.namespace_of(image.repository), names.object_name(image.repository)


def using(repository: Wire) -> Iterator[tuple[Kind, Wire]]:
    """Annotated workloads that name it, in whatever namespace."""
    key = (repository["metadata"]["namespace"], repository["metadata"]["name"])
    for kind, workload in asked():
        if key in repositories_of(workload):
            yield kind, workload


def asked() -> Iterator[tuple[Kind, Wire]]:
    for kind in WORKLOADS:
        for workload in objects.list_objects(kind).items:
            if autoredeploy.is_asked(workload) and "deletionTimestamp" not in workload["metadata"]:
                yield kind, workload


def meant_by(repository: Wire, workload: Wire) -> dict[str, str]:
    """What the workload's images of this repository mean now."""
    tags = {tag["name"]: tag["digest"] for tag in (repository.get("status") or {}).get("tags") or ()}
    own, path = set(setting.aliases()), repository["spec"]["path"]
    return {
        written: tags[image.tag]
        for written, image in autoredeploy.watched(workload)
        if image.host in own and image.repository == path and image.tag in tags
    }


def known_of(workload: Wire) -> dict[str, str]:
    """The same for all of its images of our registry."""
    found: dict[str, str] = {}
    for key in repositories_of(workload):
        try:
            found |= meant_by(objects.get(kinds.REPOSITORY, *key), workload)
        except NotFound:
            continue
    return found


def move_step(kind: Kind, workload: Wire, meant: Mapping[str, str]) -> Step | None:
    """What there is to do for a workload whose images mean this now. It is noted after the write: who is killed in between
    writes once more what is there already."""
    metadata = workload["metadata"]
    seen = seen_by(metadata["uid"])
    if all(seen.get(image) == digest for image, digest in meant.items()):
        return None
    chosen = autoredeploy.moves(workload, meant, seen)

    def change(stored: Wire) -> Wire | None:
        # Somebody may have changed it since: what it names now decides.
        return autoredeploy.moved(stored, autoredeploy.moves(stored, meant, seen))

    writes: list[Write] = []
    if chosen:
        writes.append(Patch(kind, metadata["namespace"], metadata["name"], change, uid=metadata["uid"]))
    name = f"hold {kind.kind} {metadata['name']} to what was pushed"
    return Step(name, writes, list(_told(workload, chosen)), act=partial(note, metadata["uid"], meant))


def seen_by(uid: str) -> dict[str, str]:
    return dict(SeenDigest.objects.filter(workload=uid).values_list("image", "digest"))


def note(uid: str, meant: Mapping[str, str]) -> None:
    for image, digest in meant.items():
        SeenDigest.objects.update_or_create(workload=uid, image=image, defaults={"digest": digest})


def forget_gone() -> None:
    present = {workload["metadata"]["uid"] for _, workload in asked()}
    gone = set(SeenDigest.objects.values_list("workload", flat=True).distinct()) - present
    for uid in gone:
        SeenDigest.objects.filter(workload=uid).delete()


def _told(workload: Wire, chosen: Iterable[Move]) -> Iterator[Record]:
    for move in chosen:
        reason, what = ("ImagePinned", "is held to") if move.first else ("Autoredeployed", "was pushed: rolling to")
        yield Record(workload, "Normal", reason, f"{move.image} {what} {move.digest}", COMPONENT)


def look_outside() -> int:
    """Ask other registries what the tags of annotated workloads mean now; how many workloads moved."""
    own, moved = set(setting.aliases()), 0
    answers: dict[tuple[str, names.Image], str] = {}
    for kind, workload in asked():
        namespace = workload["metadata"]["namespace"]
        meant = {}
        for written, image in autoredeploy.watched(workload):
            if image.host in own:
                continue
            key = (namespace, image)
            if key not in answers:
                answers[key] = _ask(workload, image)
            if answers[key]:
                meant[written] = answers[key]
        step = move_step(kind, workload, meant)
        if step is not None:
            take(step)
            moved += bool(step.writes)
    forget_gone()
    return moved


def _ask(workload: Wire, image: names.Image) -> str:
    try:
        return outside.digest_of(image, outside.logins_of(workload))
    except outside.OutsideError as error:
        message = f"what {image.host}/{image.repository}:{image.tag} means now is not known: {error}"
        record_many([Record(workload, "Warning", "RegistryAsked", message, COMPONENT)])
        return ""
