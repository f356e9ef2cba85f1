"""Which images the cluster needs: those that run, that workloads name, and that their histories would bring back.

Read from pods (what they name and what they run), the templates of all workloads, ReplicaSets (the history of Deployments) and
ControllerRevisions (that of the others), with the digests that autoredeploy has pinned. A digest counts in whatever registry it
is named: needing one too many is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controlplane.registry import names, pins, setting
from controlplane.store import objects
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

_TEMPLATES = (
    kinds.DEPLOYMENT,
    kinds.REPLICA_SET,
    kinds.REPLICATION_CONTROLLER,
    kinds.STATEFUL_SET,
    kinds.DAEMON_SET,
    kinds.JOB,
    kinds.CRON_JOB,
    kinds.CONTROLLER_REVISION,
)
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True)
class Use:
    user: str
    """``deployment default/web``."""
    image: names.Image


def everything() -> Iterator[Use]:
    for pod in objects.list_objects(kinds.POD).items:
        for image in [*names.images_of(pod.get("spec") or {}), *_running(pod)]:
            yield Use(_called(kinds.POD, pod), image)
    for kind in _TEMPLATES:
        for wire in objects.list_objects(kind).items:
            for image in _named(kind, wire):
                yield Use(_called(kind, wire), image)


def digests() -> set[str]:
    return {use.image.digest for use in everything() if use.image.digest}


def of_digest(digest: str) -> list[str]:
    return sorted({use.user for use in everything() if use.image.digest == digest})


def of_tag(path: str, tag: str) -> list[str]:
    """Who names the tag itself, by any name of our registry."""
    own = set(setting.aliases())
    return sorted(
        {
            use.user
            for use in everything()
            if use.image.repository == path and use.image.tag == tag and use.image.host in own
        }
    )


def template_of(kind: Kind, wire: Wire) -> Wire:
    if kind is kinds.CONTROLLER_REVISION:
        wire = wire.get("data") or {}
    spec = wire.get("spec") or {}
    if kind is kinds.CRON_JOB:
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found: Wire = spec.get("template") or {}
    return found


def _named(kind: Kind, wire: Wire) -> Iterator[names.Image]:
    template = template_of(kind, wire)
    yield from names.images_of(template.get("spec") or {})
    for reference, digest in pins.of(template).items():
        image = names.parse(reference)
        if image is not None:
            yield names.Image(image.host, image.repository, image.tag, digest)


def _running(pod: Wire) -> Iterator[names.Image]:
    status = pod.get("status") or {}
    for group in _STATUSES:
        for each in status.get(group) or ():
            image = names.parse(str(each.get("imageID") or ""))
            if image is not None:
                yield image


def _called(kind: Kind, wire: Wire) -> str:
    metadata = wire["metadata"]
    return f"{kind.singular} {metadata.get('namespace', '')}/{metadata['name']}"
