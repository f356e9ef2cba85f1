"""A container's log, from its node to whoever may read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from controlplane.access.identity import Identity
from controlplane.nodes import bridge, hub, query, target
from controlplane.nodes.consumer import StreamConsumer
from controlplane.nodes.errors import Refused
from controlplane.nodes.pipe import End, Frame
from controlplane.nodes.query import Query
from controlplane.nodes.target import Target
from controlplane.nodes.websocket import Socket
from controlplane.store import pool
from schema.session import LogOptions, OpenStream, StreamKind

BINARY = "binary.k8s.io"
TEXT = "text.slipway.dev"
"""Our own: text frames, and refusals as close frames with a reason, because a browser shows its script no HTTP answer."""
REFUSED_CLOSE = 4000
"""Added to the HTTP code of a refusal: 4400 to 4599."""

Open = Callable[[], Awaitable[End]]


async def open_log(identity: Identity, namespace: str, pod: str, text: str) -> End:
    """``text`` is the query string. Raises `Refused`."""
    asked = Query(text)
    options = query.log_options(asked, now=datetime.now(UTC))
    found = await pool.run(_find, identity, namespace, pod, asked.text("container"))
    check_log_exists(found, options)
    request = OpenStream(
        stream_id="",
        kind=StreamKind.LOG,
        namespace=namespace,
        pod=pod,
        pod_uid=found.uid,
        container=found.container,
        log=options,
    )
    return await hub.current().streams.open_stream(found.node, request)


def check_log_exists(found: Target, options: LogOptions) -> None:
    """A container that never ran has no log, and one that never ended has no previous one. Pure."""
    ended = (found.status.get("lastState") or {}).get("terminated")
    if options.previous:
        if found.status and not ended:
            raise Refused(400, f'previous terminated container "{found.container}" in pod "{found.pod}" not found')
        return
    waiting = (found.status.get("state") or {}).get("waiting")
    if waiting is not None and not ended:
        reason = waiting.get("reason") or "ContainerCreating"
        raise Refused(400, f'container "{found.container}" in pod "{found.pod}" is waiting to start: {reason}')


def _find(identity: Identity, namespace: str, pod: str, container: str) -> Target:
    return target.find(identity, namespace, pod, verb="get", subresource="log", container=container)


class LogConsumer(StreamConsumer):
    """``…/log`` as a WebSocket: each frame is a piece of the log, whole lines. The end of the log is a close with 1000."""

    async def serve(self, socket: Socket, identity: Identity) -> None:
        chosen = next((offer for offer in socket.subprotocols if offer in {BINARY, TEXT}), None)
        namespace, pod = socket.arguments["namespace"], socket.arguments["pod"]
        try:
            end = await open_log(identity, namespace, pod, self.query_string(socket))
        except Refused as refused:
            if chosen != TEXT:
                raise
            await socket.accept(TEXT)
            await socket.close(REFUSED_CLOSE + refused.code, refused.message)
            return
        await self.accept(socket, end, chosen)
        finish = await bridge.carry(socket, end, down=_as_text if chosen == TEXT else bridge.unchanged, up=_ignored)
        await socket.close(finish.close.code, finish.close.reason)


def _as_text(frame: Frame) -> Frame:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")


def _ignored(_: Frame) -> None:
    """A reader of logs has nothing to say."""
