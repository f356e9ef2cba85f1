"""What probes and lifecycle hooks do: a command in the container, an HTTP request, a TCP connection, a gRPC health call.

They run in the node's network namespace and go to the pod's address. An action never raises because of what the container
does: it has an `Outcome`. Deadlines are the caller's (`asyncio.timeout`); what an interrupted action has begun is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urljoin, urlsplit

from nodeagent.errors import AgentError
from nodeagent.facilities import ExecSession, Runtime
from nodeagent.pods import grpc_health
from schema.core.container import Container
from schema.core.probe import ExecAction, GRPCAction, HTTPGetAction, HTTPHeader, TCPSocketAction

USER_AGENT = "kube-probe/1.37"
MAX_OUTPUT = 10 * 1024
"""Of a command or an answer, for the event."""
MAX_HEADER_BYTES = 64 * 1024
MAX_REDIRECTS = 10


@dataclass(frozen=True)
class Outcome:
    """``success`` None: it could not be asked (the container has just ended), which says nothing."""

    success: bool | None
    message: str = ""
    answered: bool = False
    """Over HTTP: there was an answer, whatever it says."""


class Unresolved(Exception):
    """The action names a port that the container does not have."""


# Commands


async def execute(runtime: Runtime, container_id: str, action: ExecAction) -> Outcome:
    try:
        session = await runtime.exec(container_id, action.command, tty=False, stdin=False)
    except (AgentError, OSError) as error:
        return Outcome(None, str(error))
    try:
        output = await _output(session)
        code = await session.wait()
    finally:
        await session.close()
    if code == 0:
        return Outcome(True, output)
    return Outcome(False, output.strip() or f"command exited with code {code}")


async def _output(session: ExecSession) -> str:
    found = bytearray()
    while (piece := await session.read()) is not None:
        found += piece[1][: MAX_OUTPUT - len(found)]
    return found.decode(errors="replace")


# HTTP


@dataclass(frozen=True)
class _Answer:
    code: int
    location: str
    body: bytes


async def http_get(action: HTTPGetAction, container: Container, address: str) -> Outcome:
    """An answer from 200 to 399 is success. A redirection on the same host is followed, as the kubelet does."""
    try:
        port = port_of(action.port, container)
    except Unresolved as error:
        return Outcome(False, str(error))
    host = action.host or address
    scheme = (action.scheme or "HTTP").lower()
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    url = f"{scheme}://{_bracketed(host)}:{port}{path}"
    for _ in range(MAX_REDIRECTS):
        try:
            answer = await _request(url, action.http_headers)
        except (OSError, ssl.SSLError, ValueError, EOFError) as error:
            return Outcome(False, f'Get "{url}": {_reason(error)}')
        following = urljoin(url, answer.location) if answer.location and 300 <= answer.code < 400 else ""
        if not following or urlsplit(following).hostname != urlsplit(url).hostname:
            break
        url = following
    if 200 <= answer.code < 400:
        return Outcome(True, answer.body.decode(errors="replace"), answered=True)
    return Outcome(False, f"HTTP probe failed with statuscode: {answer.code}", answered=True)


async def _request(url: str, headers: Sequence[HTTPHeader]) -> _Answer:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    context = _any_certificate() if parts.scheme == "https" else None
    given = {header.name.lower(): f"{header.name}: {header.value}" for header in headers}
    lines = [
        f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.1",
        given.pop("host", f"Host: {parts.netloc}"),
        given.pop("user-agent", f"User-Agent: {USER_AGENT}"),
        given.pop("accept", "Accept: */*"),
        *given.values(),
        "Connection: close",
    ]
    async with _connection(parts.hostname or "", port, context) as (reader, writer):
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        await writer.drain()
        return await _read_answer(reader)


async def _read_answer(reader: asyncio.StreamReader) -> _Answer:
    status = (await reader.readline()).decode("latin-1").split(None, 2)
    if len(status) < 2 or not status[0].startswith("HTTP/") or not status[1].isdecimal():
        raise ValueError("malformed HTTP response" if status else "EOF")
    location, size = "", 0
    while (line := await reader.readline()).strip():
        size += len(line)
        if size > MAX_HEADER_BYTES:
            raise ValueError("the header of the answer is too long")
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "location":
            location = value.strip()
    # One read: the body is only for people, and one that never ends must not hold the probe.
    body = await reader.read(MAX_OUTPUT) if not location and int(status[1]) >= 400 else b""
    return _Answer(int(status[1]), location, body)


@cache
def _any_certificate() -> ssl.SSLContext:
    """A probe asks whether it answers, not who it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


# TCP and gRPC


async def tcp_socket(action: TCPSocketAction, container: Container, address: str) -> Outcome:
    try:
        port = port_of(action.port, container)
        async with _connection(action.host or address, port):
            return Outcome(True)
    except Unresolved as error:
        return Outcome(False, str(error))
    except (OSError, ValueError) as error:
        return Outcome(False, f"dial tcp {_bracketed(action.host or address)}:{port}: {_reason(error)}")


async def grpc(action: GRPCAction, address: str) -> Outcome:
    try:
        async with _connection(address, action.port) as (reader, writer):
            answer = await grpc_health.check(
                reader, writer, f"{_bracketed(address)}:{action.port}", action.service or ""
            )
    except OSError as error:
        return Outcome(False, f"timeout or failed to connect service {address}:{action.port}: {_reason(error)}")
    except grpc_health.HealthError as error:
        return Outcome(False, str(error))
    if answer == grpc_health.SERVING:
        return Outcome(True)
    return Outcome(False, f'service unhealthy (responded with "{answer}")')


@contextlib.asynccontextmanager
async def _connection(
    host: str, port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, limit=MAX_HEADER_BYTES, server_hostname="" if context else None
    )
    try:
        yield reader, writer
    finally:
        # No goodbye is waited for: a peer that does not close must not hold the probe.
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


# Parts


def port_of(port: int | str, container: Container) -> int:
    """By number, or by a name among the container's ports. Raises `Unresolved`."""
    if isinstance(port, int):
        return port
    if port.isdecimal():
        return int(port)
    for each in container.ports:
        if each.name == port:
            return each.container_port
    raise Unresolved(f"couldn't find port: {port}")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    return str(error) or type(error).__name__
