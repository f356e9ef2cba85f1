"""The agent of one node: pod workers, and what feeds them.

At the start it reads its checkpoint and adopts what the runtime still knows, so that containers go on whoever died; then
it connects. What the control plane wants comes as Sync and Update; what becomes of it goes up through the outbox. Without
a control plane the last desired state is kept alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nodeagent import node_status
from nodeagent.checkpoint import Checkpoint, NodeFacts, keyed_by_claim
from nodeagent.cluster import ClusterView
from nodeagent.credential import Credential
from nodeagent.errors import AgentError, DiskStaysFull
from nodeagent.facilities import Exit, Running
from nodeagent.metrics.meter import Meter
from nodeagent.node_status import NodeStatus
from nodeagent.outbox import Outbox
from nodeagent.pods import identity, transitions
from nodeagent.pods.context import Clock, Context, Facilities, Objects, WallClock
from nodeagent.pods.record import Record
from nodeagent.pods.state import Phase
from nodeagent.pods.status import Host
from nodeagent.pods.worker import Worker
from nodeagent.renewal import Renewal
from nodeagent.session import Dialler, Session
from nodeagent.settings import Settings
from nodeagent.streams.opening import Streams
from nodeagent.streams.rotation import rotate
from nodeagent.tasks import Tasks, persist
from nodeagent.volumes.removals import Removals
from schema import imagepolicy
from schema.base import Wire
from schema.core.pod import Pod
from schema.networking import ingress
from schema.session import EventReport, Metrics, OpenStream, Sync, Update, Welcome

log = logging.getLogger(__name__)

COLLECT_SECONDS = 60.0
ROTATE_SECONDS = 1.0
"""How often logs are looked at: one stat each. What a container writes in between comes on top of the bound."""
NETWORK_RETRY_SECONDS = 10.0
FLUSH_SECONDS = 3.0


@dataclass
class Found:
    """What the runtime knew of a pod when the agent started."""

    running: list[Running] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)


class Agent:
    def __init__(
        self,
        settings: Settings,
        facilities: Facilities,
        *,
        clock: Clock | None = None,
        dialler: Dialler | None = None,
    ) -> None:
        self.settings = settings
        self.records: dict[str, Record] = {}
        self._clock = clock or WallClock()
        self._tasks = Tasks("agent")
        self._checkpoint = Checkpoint(settings.home)
        self._facts = NodeFacts()
        self.cluster = ClusterView(
            self._checkpoint.cluster(), save=self._checkpoint.save_cluster, note=self._checkpoint.note_cluster
        )
        self._status = NodeStatus(
            settings,
            facilities.list_images,
            problems=self.cluster.problems,
            answers_for_ingresses=self._answers_for_ingresses,
            encryption=facilities.encryption,
            image_peer=facilities.image_peer,
        )
        self._meter = Meter(settings.cgroup_parent, settings.home)
        self._outbox = Outbox(gather_seconds=settings.report_seconds)
        self._found: dict[str, Found] = {}
        self._synced = False
        self._watchers: dict[str, list[asyncio.Event]] = {}
        self.context = Context(
            settings=settings,
            host=facilities,
            reports=self._outbox,
            clock=self._clock,
            addresses=Host(node_status.addresses()),
            allocatable=node_status.allocatable(settings),
            network_problem="the node has not got its address range from the control plane yet",
            pressure=self._status.pressure,
            services=lambda: self.cluster.all("Service"),
            signature_keys=self._signature_keys,
            domain=self.cluster.domain,
        )
        self._removals = Removals(self.context, self.records)
        credential = Credential(settings.credential_file, settings.token)
        dialler = dialler or Dialler(settings, credential)
        self.cluster.secret = lambda namespace, name: self.context.objects.secrets.get((namespace, name))
        self._streams = Streams(self, dialler)
        self._session = Session(dialler, self._status, self._outbox, self, tell_images=facilities.tell_images)
        self._renewal = Renewal(settings, credential, self._session.reconnect)

    def _signature_keys(self, namespace: str) -> str:
        wire = self.cluster.get("Namespace", "", namespace) or {}
        keys: str = ((wire.get("metadata") or {}).get("annotations") or {}).get(imagepolicy.KEYS, "")
        return keys

    # Life

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set. Containers stay."""
        await self._resume()
        self._tasks.spawn("checkpoint", self._persisted("checkpoint", self._checkpoint.run))
        self._tasks.spawn("cluster", self._persisted("cluster", self.cluster.run))
        for consumer in self.context.host.consumers:
            self.cluster.subscribe(consumer)
        self._tasks.spawn("exits", self._persisted("exits", self._take_exits))
        self._tasks.spawn("collection", self._persisted("collection", self._collect_now_and_then))
        self._tasks.spawn("rotation", self._persisted("rotation", self._rotate_now_and_then))
        self._tasks.spawn("removals", self._persisted("removals", self._removals.run))
        self._tasks.spawn("session", self._persisted("session", self._session.run))
        self._tasks.spawn("credential", self._persisted("credential", self._renewal.run))
        await stop.wait()
        await self._streams.close()
        await self.cluster.close()
        await self._checkpoint.flushed(FLUSH_SECONDS)
        await self._tasks.close()
        for closing in (self.context.host.runtime, self.context.host.network, self.context.host.images):
            close = getattr(closing, "close", None)
            if close is not None:
                await close()

    async def abandon(self) -> None:
        """End as a killed process does: nothing is written, nobody is told. For tests."""
        await self._streams.close()
        await self.cluster.abandon()
        await self._tasks.close()

    async def _persisted(self, name: str, attempt: object) -> None:
        await persist(name, attempt, first_delay=0.5, last_delay=30.0)  # type: ignore[arg-type]

    async def _resume(self) -> None:
        self._facts = self._checkpoint.node()
        self.context.objects = self._checkpoint.objects()
        running, exits = await self.context.host.runtime.adopt()
        for one in running:
            self._found.setdefault(one.pod_uid, Found()).running.append(one)
        for end in exits:
            self._found.setdefault(_pod_uid(end.container_id), Found()).exits.append(end)
        if self._facts.pod_cidrs:
            await self._start_network()
        rebooted = self._facts.boot_id not in ("", node_status.boot_id())
        for record in self._checkpoint.records():
            if rebooted:
                record.state = transitions.rebooted(record.pod, record.state)
            self._begin(record)

    # Pods

    def _begin(self, record: Record) -> None:
        """Start the worker of a pod, with what was found of it."""
        self._adopt(record, self._found.pop(record.uid, Found()))
        self.records[record.uid] = record
        self._tasks.spawn(f"pod {identity.full_name(record.pod)}", self._live(record))

    def _adopt(self, record: Record, found: Found) -> None:
        for one in found.running:
            for name in record.names():
                record.state = transitions.adopted(
                    record.pod, record.state, name, container_id=one.container_id, started_at=one.started_at
                )
        known = {one.container_id for one in found.running} | {end.container_id for end in found.exits}
        for name, state in record.state.containers.items():
            if state.phase is Phase.RUNNING and state.container_id not in known:
                record.state = transitions.lost(record.state, name, self._clock.now())
        record.exits.extend(found.exits)

    async def _live(self, record: Record) -> None:
        await Worker(record, self.context, self._changed).run()
        if record.state.gone and self.records.get(record.uid) is record:
            del self.records[record.uid]
            self._checkpoint.forget(record.uid)
            self._wake_watchers(record.uid)

    def _changed(self, record: Record) -> None:
        if not record.state.gone:
            self._checkpoint.save(record)
        self._wake_watchers(record.uid)

    @contextlib.contextmanager
    def watching(self, uid: str, event: asyncio.Event) -> Iterator[None]:
        """Sets ``event`` whenever the pod's state changes."""
        self._watchers.setdefault(uid, []).append(event)
        try:
            yield
        finally:
            self._watchers[uid].remove(event)
            if not self._watchers[uid]:
                del self._watchers[uid]

    def _wake_watchers(self, uid: str) -> None:
        for event in self._watchers.get(uid, ()):
            event.set()

    async def _take_exits(self) -> None:
        async for end in self.context.host.runtime.exits():
            record = self.records.get(_pod_uid(end.container_id))
            if record is None:
                log.info("container %s ended, and nobody wants to know", end.container_id)
                continue
            record.exits.append(end)
            record.wake.set()

    # What the control plane says

    def welcomed(self, welcome: Welcome) -> None:
        facts = NodeFacts(node_status.boot_id(), welcome.pod_cidrs, welcome.cluster_cidrs, welcome.heartbeat_seconds)
        moved = (facts.pod_cidrs, facts.cluster_cidrs) != (self._facts.pod_cidrs, self._facts.cluster_cidrs)
        if facts != self._facts:
            self._facts = facts
            self._checkpoint.save_node(facts)
        if moved or self.context.network_problem:
            self._tasks.spawn("network", self._persisted("network", self._bring_up_network))

    async def _bring_up_network(self) -> None:
        while True:
            if await self._start_network():
                break
            await asyncio.sleep(NETWORK_RETRY_SECONDS)
        for record in self.records.values():
            record.state = transitions.retry_now(record.state, self._clock.now())
            record.wake.set()

    async def _start_network(self) -> bool:
        try:
            await self.context.host.network.start(
                pod_cidrs=self._facts.pod_cidrs, cluster_cidrs=self._facts.cluster_cidrs
            )
        except (AgentError, OSError) as error:
            log.error("pods cannot have a network: %s", error)
            self.context.network_problem = self._status.network_problem = str(error)
            return False
        else:
            self.context.network_problem = self._status.network_problem = ""
            return True
        finally:
            self.context.network_settled.set()

    def synced(self, sync: Sync) -> None:
        self.cluster.replace(sync.cluster)
        self._replace_objects(Objects(_keyed(sync.config_maps), _keyed(sync.secrets), keyed_by_claim(sync.volumes)))
        self._removals.add(sync.volume_removals)
        wanted = {wire["metadata"]["uid"] for wire in sync.pods}
        for record in self.records.values():
            record.shown = None  # said again: whatever the control plane has missed, now it learns it
            record.wake.set()
        for wire in sync.pods:
            self._desire(wire)
        for uid, record in self.records.items():
            if uid not in wanted:
                self._remove(record)
        self._synced = True
        self._tasks.spawn("cleaning", self._clean())

    def updated(self, update: Update) -> None:
        before = self.context.objects
        objects = Objects(dict(before.config_maps), dict(before.secrets), dict(before.volumes))
        objects.config_maps.update(_keyed(update.config_maps))
        objects.secrets.update(_keyed(update.secrets))
        objects.volumes.update(keyed_by_claim(update.volumes))
        for key in update.removed_volumes:
            objects.volumes.pop((key.namespace, key.name), None)
        for key in update.removed_config_maps:
            objects.config_maps.pop((key.namespace, key.name), None)
        for key in update.removed_secrets:
            objects.secrets.pop((key.namespace, key.name), None)
        self.cluster.update(update.cluster, update.removed_cluster)
        self._replace_objects(objects)
        for wire in update.pods:
            self._desire(wire)
        self._removals.add(update.volume_removals)
        for uid in update.removed_pods:
            if uid in self.records:
                self._remove(self.records[uid])

    def stream_requested(self, request: OpenStream) -> None:
        self._streams.open(request)

    async def measure(self) -> Metrics | None:
        try:
            return await self._meter.take(list(self.records.values()), self._clock.now())
        except OSError as error:  # the next time will do
            log.warning("usage cannot be read: %s", error)
            return None

    def rotation_requested(self) -> None:
        self._renewal.ask()

    def _desire(self, wire: Wire) -> None:
        record = self.records.get(wire["metadata"]["uid"])
        if record is None:
            pod = Pod.parse(wire)
            record = Record(wire, pod, transitions.accepted(pod, self._clock.now()))
            self._begin(record)
        elif record.wire != wire:
            record.desire(wire)
        self._checkpoint.save(record)

    def _remove(self, record: Record) -> None:
        record.removed = True
        record.wake.set()

    def _replace_objects(self, objects: Objects) -> None:
        before, self.context.objects = self.context.objects, objects
        changed = {
            namespace
            for old, new in (
                (before.config_maps, objects.config_maps),
                (before.secrets, objects.secrets),
                (before.volumes, objects.volumes),
            )
            for namespace, name in old.keys() | new.keys()
            if _revision(old.get((namespace, name))) != _revision(new.get((namespace, name)))
        }
        if not changed:
            return
        self.cluster.poke("ingress")  # it may be a certificate
        self._checkpoint.save_objects(objects)
        for record in self.records.values():
            if record.namespace in changed:
                record.refresh = True
                record.wake.set()

    def _answers_for_ingresses(self) -> bool:
        own = self.cluster.get("Node", "", self.settings.node_name)
        return own is not None and ingress.serves(own["metadata"].get("labels") or {})

    # Keeping the host tidy

    async def _clean(self) -> None:
        """After the control plane has said what is wanted: end what runs for nobody, and give back what nobody has."""
        leftovers, self._found = self._found, {}
        for found in leftovers.values():
            for container_id in [
                *(one.container_id for one in found.running),
                *(end.container_id for end in found.exits),
            ]:
                log.info("container %s belongs to no pod of this node; it is removed", container_id)
                await self.context.host.runtime.delete(container_id)
        await self._collect()

    async def _collect_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COLLECT_SECONDS)
            if self._synced:
                await self._collect()

    async def _collect(self) -> None:
        # Who owns what is asked anew before each: pods come and containers are made while the others are at work.
        host = self.context.host
        for collect, owned in (
            (host.network.collect, self._pod_uids),
            (host.volumes.collect, self._pod_uids),
            (host.images.collect, self._container_ids),
        ):
            try:
                await collect(owned())
            except DiskStaysFull as error:
                self._tell_of_node(error)
            except (AgentError, OSError) as error:
                log.warning("something could not be given back yet: %s", error)

    def _tell_of_node(self, error: AgentError) -> None:
        """An event of the Node; said again it is counted."""
        now = datetime.now(UTC)
        self._outbox.event(EventReport(severity="Warning", reason=error.reason, message=str(error), at=now))

    def _pod_uids(self) -> set[str]:
        return set(self.records)

    def _container_ids(self) -> set[str]:
        """Those that exist, and those that the workers may be about to make."""
        return {
            identity.container_id(record.uid, name, attempt)
            for record in self.records.values()
            for name in record.names()
            for attempt in range(record.state.container(name).attempt, record.state.container(name).attempt + 3)
        }

    async def _rotate_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            for record in list(self.records.values()):
                await rotate(record, self.context)


def _pod_uid(container_id: str) -> str:
    """Container ids begin with the pod's uid (`pods.identity`), which has 36 characters."""
    return container_id[:36]


def _keyed(wires: list[Wire]) -> dict[tuple[str, str], Wire]:
    return {(wire["metadata"]["namespace"], wire["metadata"]["name"]): wire for wire in wires}


def _revision(wire: Wire | None) -> str | None:
    return None if wire is None else str(wire["metadata"].get("resourceVersion", ""))
