"""What agents report of the volumes on their nodes: where a directory is, and that it is gone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from controlplane.store import objects
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.kinds.persistentvolume import node_of
from controlplane.store.objects import Patch
from schema import kinds
from schema.base import Wire
from schema.core.persistentvolume import DATA, PATH
from schema.session import VolumeReport

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spoken:
    node: str
    report: VolumeReport


def write(spoken: Sequence[Spoken]) -> None:
    if not spoken:
        return
    patches = [Patch(kinds.PERSISTENT_VOLUME, "", one.report.name, _Change(one), uid=one.report.uid) for one in spoken]
    for one, result in zip(spoken, objects.write_many(patches), strict=True):
        if isinstance(result, StoreError) and not isinstance(result, NotFound):
            log.warning("report of node %s on volume %s was refused: %s", one.node, one.report.name, result)
    _complain([one for one in spoken if one.report.problem])


def _complain(spoken: Sequence[Spoken]) -> None:
    from controlplane.controllers import events

    events.record_many(
        events.Record(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": one.report.name, "uid": one.report.uid},
            },
            severity="Warning",
            reason="VolumeFailedDelete",
            message=one.report.problem,
            component="nodeagent",
            host=one.node,
        )
        for one in spoken
    )


@dataclass(frozen=True)
class _Change:
    """Only the node that the volume is on may speak of it, and only of one that is deleted may it say that it is gone."""

    spoken: Spoken

    def __call__(self, volume: Wire) -> Wire | None:
        report = self.spoken.report
        if node_of(volume) != self.spoken.node:
            log.warning("node %s reported on volume %s, which is not its own", self.spoken.node, report.name)
            return None
        if report.removed:
            return _without_data(volume) if objects.is_to_be_removed(volume) else None
        metadata = volume["metadata"]
        annotations = metadata.get("annotations") or {}
        if not report.path or annotations.get(PATH) == report.path:
            return None
        return {**volume, "metadata": {**metadata, "annotations": {**annotations, PATH: report.path}}}


def _without_data(volume: Wire) -> Wire:
    metadata = volume["metadata"]
    kept = [name for name in metadata.get("finalizers") or () if name != DATA]
    return {**volume, "metadata": {**metadata, "finalizers": kept}}
