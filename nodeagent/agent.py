"""The agent put together: facilities, pods, session, streams, and the order in which they come up and go down.

Up: read the checkpoint; with the ranges it remembers bring the pod network up, so that pods are kept running even
where no control plane answers; adopt what runs; dial. Down: stop dialling, stop the workers, write the checkpoint.
Containers are left alone.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from nodeagent import checkpoint as checkpoints
from nodeagent.checkpoint import Checkpoint, SavedNode
from nodeagent.errors import AgentError
from nodeagent.node_status import VERSION, Facts, NodeStatus
from nodeagent.pods.context import Clock, Context, Facilities, WallClock
from nodeagent.pods.manager import PodManager
from nodeagent.pods.status import Host
from nodeagent.reporting import Reporter
from nodeagent.session import Dialler, Session
from nodeagent.settings import Settings
from nodeagent.streams.rotation import Rotation
from nodeagent.streams.server import StreamServer
from nodeagent.tasks import Tasks, persist
from schema.base import Wire
from schema.session import Hello, OpenStream, Sync, Update, Welcome

log = logging.getLogger(__name__)

MEASURE_SECONDS = 10.0
NETWORK_RETRY_SECONDS = 10.0


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Agent:
    """One node. Also the session's listener."""

    def __init__(
        self,
        settings: Settings,
        host: Facilities,
        known: Facts,
        *,
        dialler: Dialler | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._host = host
        clock = clock or WallClock()
        self._dialler = dialler or Dialler(settings.server, settings.token, settings.ca_file)
        self._tasks = Tasks(f"agent {settings.node_name}")
        self.reporter = Reporter(gather_seconds=settings.report_seconds)
        self.context = Context(
            settings,
            host,
            self.reporter,
            clock,
            addresses=Host(tuple(known.addresses)),
            network_problem="the control plane has not yet said which addresses pods get",
        )
        self.status = NodeStatus(
            settings,
            known,
            now=clock.now,
            images=host.list_images,
            network_problem=lambda: self.context.network_problem,
        )
        self.context.pressure = self.status.disk_problem
        self.context.allocatable = self.status.allocatable
        self._path = settings.home / "checkpoint.json"
        self._checkpoint = Checkpoint(self._path, delay_seconds=settings.checkpoint_seconds)
        self.pods = PodManager(self.context, self._checkpoint)
        self._streams = StreamServer(self.pods, self.context, self._dialler)
        self._rotation = Rotation(self.pods, self.context)
        self.session = Session(
            self._dialler.dial, hello=self._hello, source=self.status, reporter=self.reporter, listener=self
        )
        self._boot_id = boot_id()
        self._node = SavedNode(boot_id=self._boot_id)
        self._network_task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._start()
            await asyncio.Event().wait()
        finally:
            await self._stop()

    async def _start(self) -> None:
        saved = await asyncio.to_thread(checkpoints.load, self._path)
        rebooted = saved is not None and saved.node.boot_id != self._boot_id
        if saved is not None:
            self._node = SavedNode(self._boot_id, saved.node.pod_cidr, saved.node.cluster_cidr)
        self._checkpoint.node_changed(self._node)
        if self._node.pod_cidr:
            await self._bring_network_up()
        await self.pods.start(saved, rebooted=rebooted)
        self._tasks.spawn("checkpoint", persist("checkpoint", self._checkpoint.run, first_delay=1, last_delay=30))
        self._tasks.spawn("measures", persist("measures", self._measure, first_delay=1, last_delay=30))
        self._tasks.spawn("log rotation", persist("log rotation", self._rotation.run, first_delay=1, last_delay=30))
        self._tasks.spawn("session", persist("session", self.session.run, first_delay=0.05, last_delay=5))

    async def _stop(self) -> None:
        await self._tasks.close()
        await self._streams.close()
        await self.pods.close()
        await self._checkpoint.write()
        await self._host.close()

    def _hello(self, node: Wire) -> Hello:
        return Hello(agent_version=VERSION, boot_id=self._boot_id, node=node)

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            if await self.status.measure() and not self.status.disk_problem():
                self.pods.retry_all()

    # The pod network

    async def _bring_network_up(self) -> None:
        node = self._node
        try:
            await self._host.network.start(pod_cidr=node.pod_cidr, cluster_cidr=node.cluster_cidr)
        except (AgentError, OSError) as error:
            if self.context.network_problem != str(error):
                log.error("pod network: %s", error)
            self.context.network_problem = str(error)
        else:
            self.context.network_problem = ""
        self.status.refresh()

    async def _keep_trying(self) -> None:
        while self.context.network_problem:
            await asyncio.sleep(NETWORK_RETRY_SECONDS)
            await self._bring_network_up()
        self.pods.retry_all()

    # What the control plane says

    async def welcome(self, message: Welcome) -> None:
        node = SavedNode(self._boot_id, message.pod_cidr, message.cluster_cidr)
        if node != self._node or self.context.network_problem:
            self._node = node
            self._checkpoint.node_changed(node)
            await self._bring_network_up()
            self.pods.retry_all()
        if self.context.network_problem and (self._network_task is None or self._network_task.done()):
            self._network_task = self._tasks.spawn("pod network", self._keep_trying())

    def sync(self, message: Sync) -> None:
        self.pods.sync(message)

    def update(self, message: Update) -> None:
        self.pods.update(message)

    def open_stream(self, message: OpenStream) -> None:
        self._streams.open(message)
