"""One connected agent: desired state down, reports up (schema.session describes the conversation).

Three tasks share the WebSocket. The reader takes frames, and stops taking them while too many reports wait, so that TCP
slows the agent down. The reporter has reports stored and acknowledges them. The pusher sends what the agent does not know
yet; what waits is held once per object (`desired`), so an agent that does not read costs no growing memory, and one that
does not read at all for `SEND_SECONDS` is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DatabaseError
from pydantic import ValidationError

from controlplane.images import keeping
from controlplane.images.keeping import Held
from controlplane.nodes import liveness, ranges, registration, snapshot, soundness, tasks
from controlplane.nodes.cluster.world import Key
from controlplane.nodes.desired import VOLUME, Desired, Interest, Ref
from controlplane.nodes.errors import Disconnected
from controlplane.nodes.registration import Registration
from controlplane.nodes.reports import Entry
from controlplane.nodes.websocket import Socket
from controlplane.store import objects, pool
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.kinds.persistentvolume import node_of
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds
from schema.base import Model, Wire
from schema.session import (
    Acknowledge,
    EventReport,
    Heartbeat,
    Hello,
    Images,
    Metrics,
    OpenStream,
    PodStatusReport,
    Report,
    RotateCredential,
    Unknown,
    Welcome,
    from_agent,
)

if TYPE_CHECKING:
    from controlplane.nodes.hub import Hub

log = logging.getLogger(__name__)

SILENCE_SECONDS = 0.7 * settings.NODE_LOST_SECONDS
SEND_SECONDS = 30.0
CLOSE_SECONDS = 2.0
MAX_WAITING_REPORTS = 8
MAX_WAITING_REQUESTS = 256
MAX_FORMER_PODS = 256

BAD_MESSAGE = 4400
REVOKED = 4401
WRONG_NODE = 4403
SILENT = 4408
REPLACED = 4409
NODE_DELETED = 4410
TOO_SLOW = 4413
WRONG_PROTOCOL = 4426


class Over(Exception):
    """The session ends with this close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class AgentSession:
    """Made once the agent has said Hello. Its public methods, but `run`, only take note and never wait."""

    def __init__(self, socket: Socket, hello: Hello, hub: Hub, *, credential: bytes) -> None:
        self.id = secrets.token_hex(8)
        self.node: str = hello.node["metadata"]["name"]
        self.credential = credential
        """Digest of the token that the agent came with."""
        self._socket = socket
        self._hello = hello
        self._hub = hub
        self._status: Wire = hello.node.get("status") or {}
        self._uid = ""
        self._desired = Desired(self.node, hub.dispatcher.world)
        self._former: OrderedDict[str, None] = OrderedDict()
        self._backlog: list[ChangeRecord] | None = None
        self._stale = False
        self._doubted = False
        self._rotates = False
        self._requests: deque[OpenStream] = deque(maxlen=MAX_WAITING_REQUESTS)
        self._reports: asyncio.Queue[Report] = asyncio.Queue(MAX_WAITING_REPORTS)
        self._wake = asyncio.Event()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._heard_at = time.monotonic()
        self._silent = False

    # What others tell the session

    def open_stream(self, request: OpenStream) -> None:
        self._requests.append(request)
        self._wake.set()

    def supersede(self) -> None:
        self._finish(REPLACED, "the node has a newer session")

    def revoke(self) -> None:
        self._finish(REVOKED, "the node's token is no longer valid")

    def check_credential(self) -> None:
        self._hub.liveness.check_now()

    def rotate(self) -> None:
        self._rotates = True
        self._wake.set()

    def resynchronise(self) -> None:
        self._stale = True
        self._wake.set()

    def changed(self, change: ChangeRecord) -> None:
        if self._backlog is not None:
            self._backlog.append(change)
        else:
            self._apply(change)

    def cluster_changed(self, key: Key) -> None:
        interest = self._desired.cluster_changed(key)
        if interest is not None:
            self._follow(interest)
        self._wake.set()

    # The conversation

    async def run(self) -> None:
        """Until the agent is gone or the session over. Raises `RegistrationError`."""
        try:
            await self._join()
            await self._converse()
        except Over as over:
            await self._close(over.code, over.reason)
        except Disconnected:
            pass
        except (DatabaseError, StoreError) as error:
            log.warning("session of node %s: %s", self.node, error)
            await self._close(1013, "the store does not answer; try again")
        finally:
            await self._leave()

    async def _join(self) -> None:
        registered: Registration = await pool.run(registration.register, self._hello.node, self.credential)
        self._uid = registered.uid
        # Changes are gathered from before the store is read, so none falls in between.
        self._backlog = []
        await self._hub.dispatcher.attach(self)
        await self._hub.sessions.attach(self)
        self._hub.connected.add(self)
        self._hub.liveness.start()
        await self._hub.liveness.begin(self.node, self.id)
        await self._send(
            Welcome(
                node_uid=registered.uid,
                pod_cidrs=registered.pod_cidrs,
                cluster_cidrs=[str(network) for network in ranges.pod_networks()],
                heartbeat_seconds=settings.HEARTBEAT_SECONDS,
                metrics_seconds=settings.METRICS_SECONDS,
            )
        )
        await self._synchronise()
        log.info("node %s is connected", self.node)

    async def _converse(self) -> None:
        working = [
            asyncio.create_task(self._read(), name=f"session reader {self.node}"),
            asyncio.create_task(self._report(), name=f"session reporter {self.node}"),
            asyncio.create_task(self._push(), name=f"session pusher {self.node}"),
        ]
        try:
            done, _ = await asyncio.wait([*working, self._over], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await tasks.cancel(*working)

    async def _leave(self) -> None:
        if not self._over.done():
            self._over.cancel()
        self._hub.connected.discard(self)
        self._hub.dispatcher.detach(self)
        self._hub.dispatcher.release(self, self._desired.refs)
        await self._hub.sessions.detach(self)
        if self._uid and self._hub.sessions.find(self.node) is None:
            log.info("node %s is no longer connected", self.node)
            silent = time.monotonic() - self._heard_at if self._silent else 0.0
            lost = self._hub.liveness.lost(self.node, self.id, silent_seconds=silent)
            tasks.spawn(lost, name=f"mark {self.node}")

    async def _close(self, code: int, reason: str) -> None:
        log.info("session of node %s ends: %s", self.node, reason)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close(code, reason)
        except TimeoutError:
            log.debug("node %s does not read; its connection is dropped", self.node)

    def _finish(self, code: int, reason: str) -> None:
        if not self._over.done():
            self._over.set_exception(Over(code, reason))

    async def _send(self, message: Model) -> None:
        frame = message.model_dump_json(by_alias=True, exclude_none=True)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send(frame)
        except TimeoutError:
            raise Over(TOO_SLOW, f"the agent has read nothing for {SEND_SECONDS:.0f} s") from None

    # Up

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = await self._socket.receive()
                self._heard_at = time.monotonic()
            except TimeoutError:
                self._silent = True
                raise Over(SILENT, f"no heartbeat for {SILENCE_SECONDS:.0f} s") from None
            try:
                message = from_agent(frame)
            except ValidationError as error:
                raise Over(BAD_MESSAGE, f"a frame is not a message: {error.errors()[0]['msg']}") from None
            if isinstance(message, Report):
                await self._reports.put(self._checked(message))
            elif isinstance(message, Heartbeat):
                await self._heard(message)
            elif isinstance(message, Metrics):
                own = [pod for pod in message.pods if self._desired.pod(pod.uid) is not None]
                self._hub.metrics.put(self.node, message.model_copy(update={"pods": own}))
            elif isinstance(message, Images):
                await self._has_images(message)
            elif isinstance(message, Unknown):
                log.debug("node %s says %r, which this release does not know", self.node, message.type)
            else:
                raise Over(BAD_MESSAGE, "a session has one Hello")

    async def _has_images(self, message: Images) -> None:
        held = {
            each.id: Held(tuple(each.references), tuple(each.digests), each.config.encode(), each.manifest.encode())
            for each in message.images
        }
        lacking = await pool.run(keeping.keep, f"node/{self.node}", held)
        if lacking:
            log.info("node %s: %d images came without their documents", self.node, len(lacking))

    async def _heard(self, heartbeat: Heartbeat) -> None:
        if heartbeat.node_status is not None:
            status = {**self._status, **heartbeat.node_status}
            if fault := soundness.fault_of_node({"metadata": {"name": self.node}, "status": status}):
                raise Over(BAD_MESSAGE, f"the node's status is not valid: {fault}")
            self._status = status
            await self._write_status()

    async def _write_status(self) -> None:
        status = self._status
        try:
            await pool.run(
                objects.mutate, kinds.NODE, "", self.node, lambda node: {**node, "status": status}, subresource="status"
            )
        except NotFound:
            raise Over(NODE_DELETED, "the Node object was deleted") from None

    def _checked(self, report: Report) -> Report:
        """Without events of pods that are not this node's, and without statuses that are none."""
        own = [event for event in report.events if self._is_own(event)]
        if len(own) < len(report.events):
            log.warning("node %s sent events of pods that are not its own; they are dropped", self.node)
        return report.model_copy(update={"events": own, "pods": [pod for pod in report.pods if self._is_sound(pod)]})

    def _is_sound(self, pod: PodStatusReport) -> bool:
        fault = soundness.fault_of_pod_status(pod.status)
        if fault:
            log.warning("node %s reports on pod %s/%s what is dropped: %s", self.node, pod.namespace, pod.name, fault)
        return not fault

    def _is_own(self, event: EventReport) -> bool:
        return not event.pod_uid or event.pod_uid in self._former or self._desired.pod(event.pod_uid) is not None

    async def _report(self) -> None:
        while True:
            waiting = [await self._reports.get()]
            while not self._reports.empty():
                waiting.append(self._reports.get_nowait())
            entries = [Entry(self.node, self._uid, self._hello.agent_run, report) for report in waiting]
            await asyncio.gather(*(self._hub.reports.submit(entry) for entry in entries))
            await self._send(Acknowledge(sequence=max(report.sequence for report in waiting)))

    # Down

    async def _push(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._stale:
                await self._synchronise()
            if self._doubted:
                self._doubted = False
                await self._write_status()
            if self._rotates:
                self._rotates = False
                await self._send(RotateCredential())
            while self._requests:
                await self._send(self._requests.popleft())
            await self._look_up()
            update = self._desired.take()
            if update is not None:
                await self._send(update)

    async def _synchronise(self) -> None:
        """Read the store and send all of it."""
        self._stale = False
        if self._backlog is None:
            self._backlog = []
        found = await pool.run(snapshot.read, self.node)
        self._follow(self._desired.load(found.pods, found.revision))
        for volume in found.volumes_to_remove:
            self._desired.volume_to_remove(volume)
        await self._look_up()
        sync = self._desired.sync(found.pods)
        backlog, self._backlog = self._backlog, None
        for change in backlog:
            self._apply(change)
        await self._send(sync)

    async def _look_up(self) -> None:
        while missing := self._desired.missing:
            for ref, wire in await pool.run(snapshot.look_up, missing):
                self._desired.found(ref, wire)

    def _apply(self, change: ChangeRecord) -> None:
        deleted = change.type is ChangeType.DELETED
        if change.kind is kinds.NODE:
            self._node_changed(change, deleted=deleted)
        elif change.kind is kinds.POD:
            self._pod_changed(change, deleted=deleted)
        elif change.kind is kinds.PERSISTENT_VOLUME:
            self._volume_changed(change, deleted=deleted)
        else:
            ref = Ref(change.kind.kind, change.namespace, change.name)
            self._desired.object_changed(ref, None if deleted else change.object, change.revision)
        if self._desired.waits or self._doubted:
            self._wake.set()

    def _pod_changed(self, change: ChangeRecord, *, deleted: bool) -> None:
        if deleted:
            interest = self._desired.pod_removed(change.uid, change.revision)
            self._former[change.uid] = None
            if len(self._former) > MAX_FORMER_PODS:
                self._former.popitem(last=False)
        else:
            interest = self._desired.pod_changed(change.object, change.revision)
        if interest is not None:
            self._follow(interest)

    def _volume_changed(self, change: ChangeRecord, *, deleted: bool) -> None:
        volume = change.object
        reference = volume["spec"].get("claimRef") or {}
        if reference.get("uid") and not deleted and volume["status"].get("phase") not in ("Released", "Failed"):
            # One that was another claim's of this name before does not count.
            ref = Ref(VOLUME, reference.get("namespace", ""), reference.get("name", ""))
            self._desired.object_changed(ref, volume, change.revision)
        if not deleted and node_of(volume) == self.node and objects.is_to_be_removed(volume):
            self._desired.volume_to_remove(volume)

    def _node_changed(self, change: ChangeRecord, *, deleted: bool) -> None:
        """The node's liveness may have been doubted while its agent was here all the time: say again what it said."""
        if change.uid != self._uid:
            return
        if deleted:
            self._finish(NODE_DELETED, "the Node object was deleted")
            return
        ready = liveness.ready_condition(change.object)
        told = liveness.ready_condition({"status": self._status})
        if ready is not None and told is not None and ready.get("status") == "Unknown" != told.get("status"):
            self._doubted = True

    def _follow(self, interest: Interest) -> None:
        self._hub.dispatcher.use(self, interest.begun)
        self._hub.dispatcher.release(self, interest.ceased)
