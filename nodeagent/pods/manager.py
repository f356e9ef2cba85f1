"""All pods of the node: gives each its worker, each end of a container to its pod, and begins by adopting what runs.

Desired state comes as `Sync` (everything) and `Update` (changes). Both only take note and wake workers; nothing here waits
for the host, except adoption at the start.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from nodeagent.checkpoint import Checkpoint, Saved
from nodeagent.facilities import Exit, Running
from nodeagent.pods import identity, transitions
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.pods.state import Phase
from nodeagent.pods.worker import Worker
from nodeagent.tasks import Tasks, persist
from schema.base import Wire
from schema.core.pod import Pod
from schema.session import ObjectKey, Sync, Update

log = logging.getLogger(__name__)

_Objects = dict[tuple[str, str], Wire]
_ATTEMPTS_AHEAD = 3
"""Container ids that a worker may come to use while `collect` runs."""


class PodManager:
    def __init__(self, context: Context, checkpoint: Checkpoint) -> None:
        self._context = context
        self._checkpoint = checkpoint
        self._tasks = Tasks("pods")
        self.records: dict[str, Record] = {}
        self._unclaimed: list[Running] = []
        self._unclaimed_exits: list[Exit] = []
        self._claimed: set[str] = set()
        self._synced = False

    def find(self, uid: str) -> Record | None:
        return self.records.get(uid)

    async def close(self) -> None:
        """Stop working; containers go on."""
        await self._tasks.close()

    # The beginning

    async def start(self, saved: Saved | None, *, rebooted: bool) -> None:
        """Take over what an earlier agent left, then let the workers go on from there."""
        running, ended = await self._context.host.runtime.adopt()
        self._unclaimed, self._unclaimed_exits = list(running), list(ended)
        self._tasks.spawn("container exits", persist("exits", self._take_exits, first_delay=0.1, last_delay=5.0))
        if saved is None:
            return
        self._context.objects.config_maps.update(_by_key(saved.config_maps))
        self._context.objects.secrets.update(_by_key(saved.secrets))
        self._checkpoint.objects_changed(self._context.objects)
        for pod in saved.pods:
            record = Record(pod.wire, Pod.parse(pod.wire), pod.state, removed=pod.removed)
            self._adopt(record)
            if rebooted:
                record.state = transitions.rebooted(record.pod, record.state)
            self._employ(record)

    def _adopt(self, record: Record) -> None:
        """What the runtime says is believed over what was written down."""
        now = self._context.clock.now()
        for found in self._claim(record):
            record.state = transitions.adopted(
                record.pod, record.state, found.name, container_id=found.container_id, started_at=found.started_at
            )
        alive = {known.name for known in record.state.containers.values() if known.phase is Phase.RUNNING}
        ended = {name for end in record.exits for name in record.names() if _is_of(record, name, end.container_id)}
        for name in alive - ended - self._claimed:
            record.state = transitions.lost(record.state, name, now)

    def _claim(self, record: Record) -> list[Running]:
        mine = [found for found in self._unclaimed if found.pod_uid == record.uid]
        self._unclaimed = [found for found in self._unclaimed if found.pod_uid != record.uid]
        exits = [end for end in self._unclaimed_exits if _belongs(record, end.container_id)]
        self._unclaimed_exits = [end for end in self._unclaimed_exits if end not in exits]
        record.exits.extend(exits)
        self._claimed = {found.name for found in mine}
        return mine

    def _employ(self, record: Record) -> None:
        self.records[record.uid] = record
        self._checkpoint.pod_changed(record)
        self._tasks.spawn(f"pod {identity.pod_key(record.pod)}", self._work(record))

    async def _work(self, record: Record) -> None:
        await Worker(record, self._context, self._checkpoint.pod_changed).run()
        self.records.pop(record.uid, None)
        self._checkpoint.pod_gone(record.uid)

    async def _take_exits(self) -> None:
        async for end in self._context.host.runtime.exits():
            for record in self.records.values():
                if _belongs(record, end.container_id):
                    record.exits.append(end)
                    record.wake.set()
                    break
            else:
                self._unclaimed_exits.append(end)

    # Desired state

    def sync(self, message: Sync) -> None:
        objects = self._context.objects
        maps, secrets = _by_key(message.config_maps), _by_key(message.secrets)
        changed = _differing(objects.config_maps, maps) | _differing(objects.secrets, secrets)
        objects.config_maps, objects.secrets = maps, secrets
        self._objects_changed(changed)
        wanted = {str(wire["metadata"]["uid"]): wire for wire in message.pods}
        for uid in self.records.keys() - wanted.keys():
            self._remove(uid)
        for record in self.records.values():
            record.shown = None  # said again: the control plane may have missed it
            record.wake.set()
        self._desire_all(wanted.values())
        if not self._synced:
            self._synced = True
            self._tasks.spawn("collect leftovers", self._collect())

    def update(self, message: Update) -> None:
        objects = self._context.objects
        maps = _changed(objects.config_maps, message.config_maps, message.removed_config_maps)
        secrets = _changed(objects.secrets, message.secrets, message.removed_secrets)
        changed = _differing(objects.config_maps, maps) | _differing(objects.secrets, secrets)
        objects.config_maps, objects.secrets = maps, secrets
        self._objects_changed(changed)
        self._desire_all(message.pods)
        for uid in message.removed_pods:
            self._remove(uid)

    def _desire_all(self, wires: Iterable[Wire]) -> None:
        for wire in wires:
            try:
                self._desire(wire)
            except ValueError:  # one pod that cannot be understood must not keep the others from running
                log.exception("pod %s cannot be read", (wire.get("metadata") or {}).get("uid"))

    def _desire(self, wire: Wire) -> None:
        record = self.records.get(str(wire["metadata"]["uid"]))
        if record is None:
            pod = Pod.parse(wire)
            record = Record(wire, pod, transitions.accepted(pod, self._context.clock.now()))
            self._adopt(record)
            self._employ(record)
        elif wire != record.wire:
            record.desire(wire)
            self._checkpoint.pod_changed(record)

    def _remove(self, uid: str) -> None:
        record = self.records.get(uid)
        if record is not None and not record.removed:
            record.removed = True
            record.wake.set()

    def _objects_changed(self, changed: set[tuple[str, str]]) -> None:
        if not changed:
            return
        self._checkpoint.objects_changed(self._context.objects)
        namespaces = {namespace for namespace, _ in changed}
        for record in self.records.values():
            if record.namespace in namespaces:
                record.refresh = True
                record.wake.set()

    def retry_all(self) -> None:
        """The node can do again what it could not: the network is up, the disk has room."""
        for record in self.records.values():
            record.state = transitions.retry_now(record.state, self._context.clock.now())
            record.wake.set()

    async def _collect(self) -> None:
        """Remove what no wanted pod owns: containers first, then roots, sandboxes, volumes."""
        host, pods = self._context.host, set(self.records)
        leftovers = [found.container_id for found in self._unclaimed if found.pod_uid not in pods]
        leftovers += [end.container_id for end in self._unclaimed_exits]
        self._unclaimed, self._unclaimed_exits = [], []
        for container_id in leftovers:
            log.info("container %s belongs to no pod of this node; it is removed", container_id)
            await host.runtime.delete(container_id)
        await host.images.collect(self._container_ids())
        await host.network.collect(set(self.records) | pods)
        await host.volumes.collect(set(self.records) | pods)

    def _container_ids(self) -> set[str]:
        ids = set()
        for record in self.records.values():
            for name in record.names():
                known = record.state.container(name)
                ahead = range(known.attempt, known.attempt + _ATTEMPTS_AHEAD)
                ids |= {known.container_id, *(identity.container_id(record.uid, name, number) for number in ahead)}
        return ids - {""}


def _belongs(record: Record, container_id: str) -> bool:
    return container_id.startswith(f"{record.uid}-")


def _is_of(record: Record, name: str, container_id: str) -> bool:
    return identity.attempt_of(record.uid, name, container_id) is not None


def _key(wire: Wire) -> tuple[str, str]:
    return str(wire["metadata"]["namespace"]), str(wire["metadata"]["name"])


def _by_key(wires: Sequence[Wire]) -> _Objects:
    return {_key(wire): wire for wire in wires}


def _changed(known: Mapping[tuple[str, str], Wire], news: Sequence[Wire], removed: Sequence[ObjectKey]) -> _Objects:
    gone = {(key.namespace, key.name) for key in removed}
    return {**{key: wire for key, wire in known.items() if key not in gone}, **_by_key(news)}


def _differing(old: Mapping[tuple[str, str], Wire], new: Mapping[tuple[str, str], Wire]) -> set[tuple[str, str]]:
    return {key for key in old.keys() | new.keys() if _content(old.get(key)) != _content(new.get(key))}


def _content(wire: Wire | None) -> object:
    return None if wire is None else (wire.get("data"), wire.get("binaryData"))
