"""``/agent/v1/session``: an agent introduces itself."""

from __future__ import annotations

import asyncio

from pydantic import ValidationError

from controlplane.access import authentication
from controlplane.access.identity import Identity
from controlplane.nodes import agent_session, hub, soundness
from controlplane.nodes.agent_session import AgentSession, Over
from controlplane.nodes.consumer import StreamConsumer
from controlplane.nodes.errors import CredentialRevoked, Refused, RegistrationError
from controlplane.nodes.websocket import Socket
from schema.session import PROTOCOL_VERSION, Hello, from_agent

HELLO_SECONDS = 10.0


class SessionConsumer(StreamConsumer):
    async def serve(self, socket: Socket, identity: Identity) -> None:
        if identity.node is None:
            raise Refused(403, "this address is for agents: it takes the credential of a node")
        await socket.accept()
        try:
            hello = await _hello(socket, identity.node)
            credential = authentication.credential_of(socket.scope)
            await AgentSession(socket, hello, hub.current(), credential=credential).run()
        except Over as over:
            await socket.close(over.code, over.reason)
        except CredentialRevoked as error:
            await socket.close(agent_session.REVOKED, str(error))
        except RegistrationError as error:
            await socket.close(agent_session.WRONG_NODE, str(error))


async def _hello(socket: Socket, node: str) -> Hello:
    try:
        async with asyncio.timeout(HELLO_SECONDS):
            hello = from_agent(await socket.receive())
    except TimeoutError:
        raise Over(agent_session.SILENT, "no Hello") from None
    except ValidationError as error:
        raise Over(agent_session.BAD_MESSAGE, f"expected Hello: {error.errors()[0]['msg']}") from None
    if not isinstance(hello, Hello):
        raise Over(agent_session.BAD_MESSAGE, "a session begins with Hello")
    if hello.protocol != PROTOCOL_VERSION:
        raise Over(agent_session.WRONG_PROTOCOL, f"the control plane speaks version {PROTOCOL_VERSION} of the protocol")
    metadata = hello.node.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") != node:
        raise Over(agent_session.WRONG_NODE, f"the token is that of node {node}")
    if fault := soundness.fault_of_node(hello.node):
        raise Over(agent_session.BAD_MESSAGE, f"the Node that the agent introduces is not valid: {fault}")
    return hello
