"""The DNS process: ``python -m nodeagent.network.dns``, started by the agent and adopted by the next one.

It is born with one end of a socket pair, by which the agent that starts it says all there is to know. Then it takes the
sockets of its predecessor, if there is one, and from that moment on it is the one that answers: a question that waits in a
socket is answered by whoever holds it, so none is lost. It listens at ``<directory>/socket`` for agents to come. An agent that
goes away changes nothing; one that goes before all was said ends the process, so that none is left over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from nodeagent.errors import AgentError, HostConflict
from nodeagent.keys import Key
from nodeagent.network.dns import messages
from nodeagent.network.dns.messages import Configuration, Draft, Message, Objects
from nodeagent.network.dns.server import Server
from nodeagent.network.dns.upstream import Resolvers, Upstream
from nodeagent.network.dns.zone import Zone
from nodeagent.tasks import Tasks

log = logging.getLogger(__name__)

AT_ONCE = 100
"""Objects that are worked in before questions get their turn."""
TAKE_OVER_SECONDS = 2.0
_SOCKETS = 64
"""More than there are: two for each address."""


class Process:
    def __init__(self, directory: Path, version: str) -> None:
        self._path = directory / "socket"
        self._version = version
        self._objects = Objects()
        self._configuration = Configuration()
        self._zone = Zone()
        self._server = Server(self._zone, Upstream(list))
        self._released = asyncio.Event()
        self._door: asyncio.Server | None = None
        self._tasks = Tasks("dns process")

    async def run(self, feed: socket.socket) -> None:
        """Until a successor has taken over and what was asked before is answered."""
        reader, writer = await asyncio.open_connection(sock=feed, limit=messages.LINE_BYTES)
        await self._serve(reader, writer)
        if self._door is None:
            log.info("the agent has gone before it said everything")
            return
        await self._released.wait()
        self._door.close()
        await self._server.drained()

    async def close(self) -> None:
        await self._tasks.close()
        await self._server.close()

    # --- conversations

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: of an agent, of a successor, or of somebody who looks."""
        draft = Draft()
        try:
            await self._say(writer, self._greeting())
            while line := await reader.readline():
                message = messages.decode(line)
                if "release" in message:
                    await self._release(writer)
                    return
                if "commit" not in message:
                    draft.take(message)
                    continue
                problem = await self._commit(draft)
                draft = Draft()
                words = {"problem": str(problem or ""), "conflict": isinstance(problem, HostConflict)}
                await self._say(writer, {"done": message["commit"], **words})
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("a connection ends: %s", error or type(error).__name__)
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, message: Message) -> None:
        writer.write(messages.encode(message))
        await writer.drain()

    def _greeting(self) -> Message:
        return {
            "version": self._version,
            "pid": os.getpid(),
            "addresses": self._server.addresses,
            "objects": len(self._objects),
        }

    # --- what the agent says

    async def _commit(self, draft: Draft) -> AgentError | None:
        """Why it does not answer, if it does not. What was said holds all the same."""
        configuration = draft.configuration or self._configuration
        changed = []
        for key, wire in draft.differences(self._objects):
            self._objects.put(key, wire)
            changed.append(key)
        if (configuration.addresses, configuration.domain) != (
            self._configuration.addresses,
            self._configuration.domain,
        ):
            zone = Zone(configuration.domain, addresses=configuration.addresses)
            await self._work_in(zone, self._objects.keys())
            self._zone = zone
            resolvers = Resolvers(Path(configuration.resolv_conf), own=configuration.addresses)
            self._server.replace(zone, Upstream(resolvers))
        else:
            await self._work_in(self._zone, changed)
        self._configuration = configuration
        self._server.port = self._server.port if self._door else configuration.port
        return await self._listen(configuration.addresses)

    async def _work_in(self, zone: Zone, keys: Iterable[Key]) -> None:
        ordered = list(keys)
        for start in range(0, len(ordered), AT_ONCE):
            zone.apply(self._objects, ordered[start : start + AT_ONCE])
            self._server.zone_changed()
            await asyncio.sleep(0)

    async def _listen(self, addresses: tuple[str, ...]) -> AgentError | None:
        inherited = {} if self._door else await asyncio.to_thread(take_over, self._path)
        try:
            await self._server.listen(addresses, inherited=inherited)
        except AgentError as error:
            return error
        finally:
            if self._door is None:
                self._door = await self._open_door()
        return None

    async def _open_door(self) -> asyncio.Server:
        """From now on it is this process that is found at the path."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        own.bind(str(fresh))
        own.listen(16)
        fresh.rename(self._path)
        return await asyncio.start_unix_server(self._serve, sock=own, limit=messages.LINE_BYTES)

    async def _release(self, writer: asyncio.StreamWriter) -> None:
        """Give the sockets away. What is being answered is answered from here."""
        held = self._server.release()
        names = [[address, kind] for address, kind, _ in held]
        with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
            own.setblocking(False)
            socket.send_fds(own, [messages.encode({"sockets": names})], [each.fileno() for _, _, each in held])
        self._released.set()


def take_over(path: Path) -> dict[tuple[str, str], socket.socket]:
    """The sockets of the process that answers at present, by address and protocol; none if there is no such process. Blocking."""
    with socket.socket(socket.AF_UNIX) as own:
        own.settimeout(TAKE_OVER_SECONDS)
        try:
            own.connect(str(path))
            _line(own)
            own.sendall(messages.encode({"release": True}))
            data, descriptors, _, _ = socket.recv_fds(own, 65536, _SOCKETS)
            names = messages.decode(data)["sockets"]
        except (OSError, ValueError, KeyError) as error:
            log.info("nothing to take over: %s", error)
            return {}
    found = {}
    for (address, kind), descriptor in zip(names, descriptors, strict=True):
        found[address, kind] = socket.socket(fileno=descriptor)
        found[address, kind].setblocking(False)
    return found


def _line(own: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = own.recv(65536)
        if not piece:
            raise EOFError("it says nothing")
        line += piece
    return line


def look(path: Path) -> Message | None:
    """What the process says of itself; None where there is none. Blocking."""
    with socket.socket(socket.AF_UNIX) as own:
        own.settimeout(TAKE_OVER_SECONDS)
        try:
            own.connect(str(path))
            return messages.decode(_line(own))
        except (OSError, EOFError, ValueError):
            return None


async def _run(directory: Path, version: str, feed: int) -> None:
    process = Process(directory, version)
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await process.run(socket.socket(fileno=feed))
    await process.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="nodeagent.network.dns", description="Answers the DNS queries of a node's pods."
    )
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--feed", type=int, required=True)
    words = parser.parse_args()
    level = os.environ.get("SLIPWAY_LOG_LEVEL", "INFO")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    asyncio.run(_run(words.directory, words.version, words.feed))
