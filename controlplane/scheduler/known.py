"""The nodes as they were read last: a drain asks for revisions and reads only what has changed since.

With a thousand nodes reading and parsing all of them would take longer than the rest of a drain. One per process; the
revision of a node changes with each write to it, so what is kept is never old.
"""

from __future__ import annotations

import threading

from controlplane.scheduler import nodes
from controlplane.scheduler.nodes import Node
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.node import Node as Row
from schema import kinds
from schema.base import Wire

ONE_BY_ONE = 20
"""More nodes than these are read in one list instead."""

Version = tuple[str, int]
"""A node's uid and revision."""


class KnownNodes:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: dict[str, tuple[Version, Node]] = {}

    def read(self) -> list[Node]:
        """All nodes that are not being deleted."""
        rows = Row.objects.filter(deleted_at="").values_list("name", "uid", "revision")
        versions: dict[str, Version] = {name: (uid, revision) for name, uid, revision in rows}
        with self._lock:
            self._nodes = {name: held for name, held in self._nodes.items() if name in versions}
            stale = [name for name, version in versions.items() if self._nodes.get(name, (None,))[0] != version]
            for wire in _read(stale):
                metadata = wire["metadata"]
                version = (metadata["uid"], int(metadata["resourceVersion"]))
                self._nodes[metadata["name"]] = (version, nodes.parse(wire))
            return [node for _, node in self._nodes.values()]


def _read(names: list[str]) -> list[Wire]:
    if len(names) > ONE_BY_ONE:
        return [wire for wire in objects.list_objects(kinds.NODE).items if "deletionTimestamp" not in wire["metadata"]]
    found = []
    for name in names:
        try:
            found.append(objects.get(kinds.NODE, "", name))
        except NotFound:  # deleted since: placed on or not, its pods will be told
            continue
    return found
