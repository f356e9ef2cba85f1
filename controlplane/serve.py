"""The web process: ``python -m controlplane.serve``.

One event loop, two listeners with the same application: TLS on every address (``SLIPWAY_API_PORT``) for clients and
agents, plain http on the loopback (``SLIPWAY_HTTP_PORT``) for a browser on this machine. Port 0 switches a listener off.
SIGTERM and SIGINT stop it within seconds: watches and logs are ended, requests under way are answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
import uvloop
from django.conf import settings

from controlplane.asgi import application

log = logging.getLogger("controlplane.serve")

KEEP_ALIVE_SECONDS = 120
"""Longer than clients keep idle connections (Go: 90 s), so that it is they who close and never race with us."""
STOP_SECONDS = 1
"""What requests under way are given at the end."""
SWITCH_SECONDS = 0.001
"""Python's threads hand over the interpreter this often: the event loop must not wait 5 ms behind a large body."""
CUT = "ASGI callable returned without completing response."
"""uvicorn's words for a stream that we cut on purpose (`api.handler`)."""


class Server(uvicorn.Server):
    """A listener. Signals are ours, and nothing wakes up ten times a second to look whether it should stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not self._stop.is_set():
            await self.on_tick(0)  # renews the Date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()

    def stop(self) -> None:
        self.should_exit = True
        self._stop.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is under way finish, for a moment. An idle TLS connection would wait for its peer's goodbye: it is
        dropped instead."""
        for listener in self.servers:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            _, late = await asyncio.wait(state.tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def config(tls: tuple[Path, Path] | None) -> uvicorn.Config:
    made = uvicorn.Config(
        application,
        http="httptools",
        # The default layer refuses subprotocols with a slash, which kubectl's port-forward has.
        ws="wsproto",
        ws_per_message_deflate=False,
        # A client that does not read for a while (`logs -f | less`) answers no ping and is not dead for that.
        ws_ping_timeout=None,
        ws_max_size=4 * 1024 * 1024,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # The peer's address counts failed logins: nobody may choose it by a header.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    made.load()
    if made.ssl is not None:
        made.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def listen(host: str, port: int) -> socket.socket:
    """IPv6 is served as well where a host has it and every address is asked for."""
    if host == "" and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=2048)
    return socket.create_server((host, port), backlog=2048)


def certificate() -> tuple[Path, Path]:
    """`manage.py up` makes it; a process started alone makes it for this host's name."""
    directory = settings.HOME / "pki"
    if not (directory / "server.crt").exists():
        from controlplane.access import pki

        files = pki.ensure(settings.HOME, hosts=[socket.gethostname()])
        return files.server_certificate, files.server_key
    return directory / "server.crt", directory / "server.key"


def servers() -> list[tuple[Server, socket.socket]]:
    found = []
    if settings.API_PORT:
        found.append((Server(config(certificate())), listen("", settings.API_PORT)))
    if settings.HTTP_PORT:
        found.append((Server(config(None)), listen("127.0.0.1", settings.HTTP_PORT)))
    return found


async def serve() -> None:
    chosen = servers()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await application.start()
    running = [asyncio.create_task(server.serve([bound]), name="listener") for server, bound in chosen]
    stop = asyncio.create_task(stopping.wait(), name="signal")
    gc.collect()
    gc.freeze()  # what is there now stays: no collection need look at it again
    await asyncio.wait({stop, *running}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    await shut_down([server for server, _ in chosen], running)


async def shut_down(chosen: Sequence[Server], running: Sequence[asyncio.Task[None]]) -> None:
    for server in chosen:
        server.stop()
    await application.drain()
    ended = await asyncio.gather(*running, return_exceptions=True)
    await application.stop()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


def main() -> None:
    if not (settings.API_PORT or settings.HTTP_PORT):
        sys.exit("SLIPWAY_API_PORT and SLIPWAY_HTTP_PORT are both 0: there is nothing to serve")
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(20_000, 20, 20)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.getMessage() != CUT)
    try:
        uvloop.run(serve())
    except OSError as error:
        sys.exit(f"cannot serve: {error}")


if __name__ == "__main__":
    main()
