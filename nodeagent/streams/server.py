"""Serves the streams that the control plane asks for: each dials a WebSocket of its own and is a task of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from nodeagent.errors import AgentError, CreateError, NotRunning
from nodeagent.facilities import ExecSession
from nodeagent.pods import identity, status
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.pods.state import ContainerState, Phase
from nodeagent.streams import exec as execution
from nodeagent.streams import log as logs
from nodeagent.streams import port_forward
from nodeagent.streams.errors import StreamRefused
from nodeagent.streams.inotify import Watcher
from nodeagent.tasks import Tasks, race
from schema.core.container import Container
from schema.session import ExecOptions, LogOptions, OpenStream, StreamKind, StreamOpened

if TYPE_CHECKING:
    from nodeagent.pods.manager import PodManager
    from nodeagent.session import Dialler

log = logging.getLogger(__name__)

MAX_STREAM_FRAME_BYTES = 4 * 1024 * 1024


class StreamServer:
    def __init__(self, pods: PodManager, context: Context, dialler: Dialler) -> None:
        self._pods = pods
        self._context = context
        self._dialler = dialler
        self._tasks = Tasks("streams")
        self._watcher = Watcher()

    def open(self, message: OpenStream) -> None:
        name = f"{message.kind} of {message.namespace}/{message.pod} {message.container}"
        self._tasks.spawn(name, self._serve(message))

    async def close(self) -> None:
        await self._tasks.close()
        self._watcher.close()

    async def _serve(self, message: OpenStream) -> None:
        try:
            path = f"/agent/v1/streams/{message.stream_id}"
            connection = await self._dialler.dial(path, max_size=MAX_STREAM_FRAME_BYTES)
        except (OSError, TimeoutError, InvalidHandshake) as error:
            log.warning("stream %s: the control plane cannot be dialled: %s", message.stream_id, error)
            return
        try:
            await self._converse(connection, message)
        except ConnectionClosed:
            pass  # the client has gone
        finally:
            await connection.close()

    async def _converse(self, connection: ClientConnection, message: OpenStream) -> None:
        try:
            await self._kind(connection, message)
        except StreamRefused as refusal:
            await _opened(connection, refusal)
        except (AgentError, OSError) as error:
            log.warning("stream %s: %s", message.stream_id, error)
            await connection.close(1011, str(error)[:120])

    async def _kind(self, connection: ClientConnection, message: OpenStream) -> None:
        record = self._record(message)
        match message.kind:
            case StreamKind.LOG:
                await self._log(connection, record, message)
            case StreamKind.EXEC | StreamKind.ATTACH:
                await self._exec(connection, record, message)
            case StreamKind.PORT_FORWARD:
                network = record.sandbox.network if record.sandbox is not None else None
                if record.sandbox is None:
                    raise StreamRefused(400, f"pod {message.pod} is not running")
                end = await port_forward.dial(network, message.port or 0)
                await _opened(connection)
                await port_forward.serve(connection, end)

    def _record(self, message: OpenStream) -> Record:
        record = self._pods.find(message.pod_uid)
        if record is None:
            raise StreamRefused(404, f'pod "{message.pod}" is not on this node')
        return record

    def _container(self, record: Record, name: str) -> Container:
        try:
            return record.container(name or record.pod.spec.containers[0].name)
        except KeyError:
            raise StreamRefused(400, f"container {name} is not valid for pod {record.name}") from None

    # Logs

    async def _log(self, connection: ClientConnection, record: Record, message: OpenStream) -> None:
        options = message.log or LogOptions()
        container = self._container(record, message.container)
        attempt = self._attempt(record, container, previous=options.previous)
        directory = identity.log_dir(self._context.settings.home, record.uid, container.name)
        try:
            with self._watcher.watch(directory) as news:
                reader = await asyncio.to_thread(logs.Reader, directory, attempt, options)
                await _opened(connection)
                record.followers.add(news)
                try:
                    # A quiet log would never find out by sending that its reader has gone.
                    await race(
                        "log",
                        connection.wait_closed(),
                        logs.stream(
                            reader,
                            connection.send,
                            follow=options.follow,
                            has_ended=lambda: _has_ended(record, container.name, attempt),
                            news=news,
                        ),
                    )
                finally:
                    record.followers.discard(news)
        except FileNotFoundError:  # no attempt has come as far as a log
            await _opened(connection)

    def _attempt(self, record: Record, container: Container, *, previous: bool) -> int:
        now = self._context.clock.now()
        identifier = status.log_container_id(container, record.pod, record.state, now, previous=previous)
        attempt = identity.attempt_of(record.uid, container.name, identifier)
        if attempt is not None:
            return attempt
        if previous:
            raise StreamRefused(
                400, f'previous terminated container "{container.name}" in pod "{record.name}" not found'
            )
        reason = status.waiting_reason(container, record.pod, record.state, now)
        raise StreamRefused(400, f'container "{container.name}" in pod "{record.name}" is waiting to start: {reason}')

    # Commands

    async def _exec(self, connection: ClientConnection, record: Record, message: OpenStream) -> None:
        options = message.exec or ExecOptions()
        container = self._container(record, message.container)
        known = record.state.container(container.name)
        if known.phase is not Phase.RUNNING:
            raise StreamRefused(400, f"container {container.name} of pod {record.name} is not running")
        try:
            session = await self._session(known, container, message.kind, options)
        except NotRunning as error:
            raise StreamRefused(400, str(error)) from error
        except CreateError as error:
            await _opened(connection)
            await execution.send_status(connection, execution.start_failure(error))
            return
        try:
            await _opened(connection)
        except ConnectionClosed:
            await session.close()
            raise
        await execution.serve(connection, session, stderr=options.stderr or options.tty)

    async def _session(
        self, known: ContainerState, container: Container, kind: StreamKind, options: ExecOptions
    ) -> ExecSession:
        runtime = self._context.host.runtime
        if kind is StreamKind.ATTACH:
            return await runtime.attach(known.container_id, tty=container.tty, stdin=options.stdin)
        return await runtime.exec(known.container_id, options.command, tty=options.tty, stdin=options.stdin)


def _has_ended(record: Record, name: str, attempt: int) -> bool:
    known = record.state.container(name)
    return known.attempt > attempt or known.phase is Phase.TERMINATED or record.state.gone


async def _opened(connection: ClientConnection, refusal: StreamRefused | None = None) -> None:
    message = StreamOpened(failure=refusal.status() if refusal is not None else None)
    await connection.send(message.model_dump_json(by_alias=True, exclude_none=True))
