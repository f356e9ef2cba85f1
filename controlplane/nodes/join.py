"""``/agent/v1/streams/<id>``: the agent's end of a stream."""

from __future__ import annotations

from controlplane.access.identity import Identity
from controlplane.nodes import bridge, hub
from controlplane.nodes.consumer import StreamConsumer
from controlplane.nodes.errors import Refused
from controlplane.nodes.websocket import Socket


class JoinConsumer(StreamConsumer):
    async def serve(self, socket: Socket, identity: Identity) -> None:
        if identity.node is None:
            raise Refused(403, "this address is for agents: it takes the credential of a node")
        end = await hub.current().streams.join(identity.node, socket.arguments["stream_id"])
        await self.accept(socket, end, None)
        finish = await bridge.carry(socket, end)
        if not finish.by_socket:
            await socket.close(finish.close.code, finish.close.reason)
