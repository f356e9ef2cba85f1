"""exec and attach: a client's WebSocket joined to the agent's.

Everything that can be refused is refused before the upgrade, as an HTTP answer with a Status. kubectl does not show that
answer: it asks again with POST (for SPDY, which no ASGI server can speak) and shows what it gets then, so a refusal is
remembered for a moment (`refusals`) and repeated there.
"""

from __future__ import annotations

from controlplane.access.identity import Identity
from controlplane.nodes import bridge, channels, hub, query, target
from controlplane.nodes.consumer import StreamConsumer
from controlplane.nodes.errors import Refused
from controlplane.nodes.pipe import End
from controlplane.nodes.query import Query
from controlplane.nodes.target import Target
from controlplane.nodes.websocket import Socket
from controlplane.store import pool
from schema.session import ExecOptions, OpenStream, StreamKind

_OVER = frozenset({"Succeeded", "Failed"})


async def open_exec(
    identity: Identity, namespace: str, pod: str, asked: Query, kind: StreamKind
) -> tuple[End, ExecOptions]:
    """Raises `Refused`."""
    options, found = await check(identity, namespace, pod, asked, kind)
    request = OpenStream(
        stream_id="",
        kind=kind,
        namespace=namespace,
        pod=pod,
        pod_uid=found.uid,
        container=found.container,
        exec=options,
    )
    return await hub.current().streams.open_stream(found.node, request), options


async def check(
    identity: Identity, namespace: str, pod: str, asked: Query, kind: StreamKind
) -> tuple[ExecOptions, Target]:
    """All that can be known without the node. Raises `Refused`."""
    options = query.exec_options(asked, needs_command=kind is StreamKind.EXEC)
    found = await pool.run(_find, identity, namespace, pod, kind.value, asked.text("container"))
    if found.phase in _OVER:
        word = "exec into" if kind is StreamKind.EXEC else "attach to"
        raise Refused(400, f"cannot {word} a container in a completed pod; current phase is {found.phase}")
    return options, found


def _find(identity: Identity, namespace: str, pod: str, subresource: str, container: str) -> Target:
    return target.find(identity, namespace, pod, verb="create", subresource=subresource, container=container)


class ExecConsumer(StreamConsumer):
    kind = StreamKind.EXEC
    repeated_as_post = True

    async def serve(self, socket: Socket, identity: Identity) -> None:
        protocol = channels.choose(socket.subprotocols)
        if protocol is None:
            raise Refused(400, f"unable to upgrade: offer one of the subprotocols {channels.V5}, {channels.V4}")
        namespace, pod = socket.arguments["namespace"], socket.arguments["pod"]
        end, options = await open_exec(identity, namespace, pod, Query(self.query_string(socket)), self.kind)
        await self.accept(socket, end, protocol)
        translator = channels.Translator(protocol, stdin=options.stdin, tty=options.tty)
        finish = await bridge.carry(socket, end, down=translator.down, up=translator.up)
        if finish.by_socket:
            return
        if not translator.finished:
            why = finish.close.reason or "the connection to the node was lost"
            await socket.send(channels.failure(f"the command's end is unknown: {why}"))
        # Always 1000: kubectl takes any other close for a failure, whatever the Status said.
        await socket.close(1000)


class AttachConsumer(ExecConsumer):
    kind = StreamKind.ATTACH
