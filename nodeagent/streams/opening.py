"""Streams: for each one asked for, a WebSocket dialled to the control plane and a task that serves it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from nodeagent.builds.places import is_build
from nodeagent.errors import AgentError
from nodeagent.facilities import ExecSession
from nodeagent.pods import identity, status
from nodeagent.pods.record import Record
from nodeagent.pods.state import ContainerState, Phase
from nodeagent.streams import execution, log_stream, port_forward, probing, replay
from nodeagent.streams.inotify import Watcher
from nodeagent.tasks import Tasks
from schema.base import Wire
from schema.session import OpenStream, StreamKind, StreamOpened

if TYPE_CHECKING:
    from nodeagent.agent import Agent
    from nodeagent.session import Dialler

log = logging.getLogger(__name__)

MAX_STREAMS = 500


class Refused(AgentError):
    """The stream cannot be: becomes the HTTP error that the client sees."""

    def __init__(self, message: str, *, code: int = 400, reason: str = "BadRequest") -> None:
        super().__init__(message)
        self.code = code
        self.status_reason = reason

    def status(self) -> Wire:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.status_reason,
            "code": self.code,
        }


class Streams:
    def __init__(self, agent: Agent, dialler: Dialler) -> None:
        self._agent = agent
        self._dialler = dialler
        self._tasks = Tasks("streams")
        self._files = Watcher()
        self._called: set[str] = set()
        """Containers whose one caller (`stdinOnce`) has come."""

    def open(self, request: OpenStream) -> None:
        if len(self._tasks) >= MAX_STREAMS:
            log.warning(
                "stream %s to pod %s/%s is not opened: %d are open",
                request.kind,
                request.namespace,
                request.pod,
                MAX_STREAMS,
            )
            return
        name = f"{request.kind} of {request.namespace}/{request.pod}"
        self._tasks.spawn(name, self._carry(request))

    async def close(self) -> None:
        await self._tasks.close()
        self._files.close()

    async def _carry(self, request: OpenStream) -> None:
        try:
            async with self._dialler.dial(f"/agent/v1/streams/{request.stream_id}") as socket:
                await self._serve(request, socket)
        except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError) as error:
            log.debug("stream %s of %s/%s ended: %s", request.kind, request.namespace, request.pod, error)

    async def _serve(self, request: OpenStream, socket: ClientConnection) -> None:
        try:
            serving = await self._prepare(request, socket)
        except (AgentError, OSError) as error:
            refused = error if isinstance(error, Refused) else Refused(str(error), code=500, reason="InternalError")
            await socket.send(StreamOpened(failure=refused.status()).model_dump_json(by_alias=True))
            return
        await socket.send(StreamOpened().model_dump_json(by_alias=True, exclude_none=True))
        await serving()

    async def _prepare(self, request: OpenStream, socket: ClientConnection) -> Callable[[], Awaitable[None]]:
        """Everything that may be refused happens here; what is returned then serves the stream."""
        if request.kind is StreamKind.PROBE:
            return lambda: self._probe(request, socket)
        record = self._agent.records.get(request.pod_uid)
        if record is None:
            raise Refused(
                f'pod "{request.pod}" is not on node {self._agent.settings.node_name} any more',
                code=404,
                reason="NotFound",
            )
        match request.kind:
            case StreamKind.LOG:
                return self._log(request, record, socket)
            case StreamKind.EXEC | StreamKind.ATTACH:
                return await self._process(request, record, socket)
            case StreamKind.PORT_FORWARD:
                connection = await port_forward.connect(record, request.port or 0)
                return lambda: port_forward.pump(connection, socket)

    async def _probe(self, request: OpenStream, socket: ClientConnection) -> None:
        records = list(self._agent.records.values())
        await socket.send(
            orjson.dumps(await probing.probe(request.targets, namespace=request.namespace, records=records))
        )

    def _container(self, request: OpenStream, record: Record) -> ContainerState:
        if request.container not in record.names():
            raise Refused(f"container {request.container} is not valid for pod {request.pod}")
        return record.state.container(request.container)

    def _log(self, request: OpenStream, record: Record, socket: ClientConnection) -> Callable[[], Awaitable[None]]:
        self._container(request, record)
        options = request.log
        if options is None:
            raise Refused("a log stream needs its options")
        attempt = self._attempt(request, record, previous=options.previous)
        over = self._end_of(request, record, attempt)
        reader = log_stream.Reader(self._agent.settings.home, record.uid, request.container, attempt, options)
        return lambda: log_stream.serve(
            reader, socket.send, over, self._files, lambda event: self._agent.watching(record.uid, event)
        )

    def _end_of(self, request: OpenStream, record: Record, attempt: int) -> Callable[[], bool]:
        """Whether an attempt has ended, and so its log."""

        def over() -> bool:
            now = record.state.container(request.container)
            gone = self._agent.records.get(record.uid) is not record
            return gone or now.attempt > attempt or now.phase is Phase.TERMINATED

        return over

    def _attempt(self, request: OpenStream, record: Record, *, previous: bool) -> int:
        """Whose log is meant. As with Kubernetes, a container in its back-off shows the attempt that has just ended."""
        container, now = record.container(request.container), self._agent.context.clock.now()
        identifier = status.log_container_id(container, record.pod, record.state, now, previous=previous)
        attempt = identity.attempt_of(record.uid, container.name, identifier)
        if attempt is not None:
            return attempt
        if previous:
            raise Refused(f'previous terminated container "{container.name}" in pod "{request.pod}" not found')
        reason = status.waiting_reason(container, record.pod, record.state, now)
        raise Refused(f'container "{container.name}" in pod "{request.pod}" is waiting to start: {reason}')

    def _from_the_beginning(
        self, attached: ExecSession, request: OpenStream, record: Record, state: ContainerState
    ) -> ExecSession:
        """For the first who attaches to a container that waits for its one caller."""
        if state.container_id in self._called:
            return attached
        running = {each.container_id for one in self._agent.records.values() for each in one.state.containers.values()}
        self._called = {*(self._called & running), state.container_id}
        return replay.Replay(
            attached,
            directory=identity.log_dir(self._agent.settings.home, record.uid, request.container),
            attempt=state.attempt,
            over=self._end_of(request, record, state.attempt),
            files=self._files,
            watching=lambda event: self._agent.watching(record.uid, event),
        )

    async def _process(
        self, request: OpenStream, record: Record, socket: ClientConnection
    ) -> Callable[[], Awaitable[None]]:
        state, options = self._container(request, record), request.exec
        if options is None:
            raise Refused("this stream needs its options")
        if is_build(record.container(request.container).image or ""):
            raise Refused(
                "a build cannot be entered: its container holds more rights than a pod's", code=403, reason="Forbidden"
            )
        if state.phase is not Phase.RUNNING:
            raise Refused(f'container "{request.container}" in pod "{request.pod}" is not running', code=400)
        runtime = self._agent.context.host.runtime
        if request.kind is StreamKind.ATTACH:
            attached = await runtime.attach(state.container_id, tty=options.tty, stdin=options.stdin)
            if options.stdin and record.container(request.container).stdin_once:
                # Not before it is served: a client that is gone by then would leave the watching behind.
                return lambda: execution.pump(
                    self._from_the_beginning(attached, request, record, state), socket, options
                )
            return lambda: execution.pump(attached, socket, options)
        container_id = state.container_id
        return lambda: execution.run(runtime, container_id, socket, options)
