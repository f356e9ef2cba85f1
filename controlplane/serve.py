"""The web process: ``python -m controlplane.serve``.

Two listeners of one application in one process: TLS on all addresses for clients and agents, plain http on the loopback
for a browser on this machine. A port of 0 switches its listener off. SIGTERM and SIGINT end it within seconds: watches
are closed, answers under way are finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import uvicorn
from django.conf import settings

from controlplane.asgi import application, watching

STOP_SECONDS = 2
HEADER_SECONDS = 75

log = logging.getLogger(__name__)


class Listener(uvicorn.Server):
    """Leaves signals to us: there are two of them in one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listeners() -> list[Listener]:
    found = []
    if settings.API_PORT:
        pki = settings.HOME / "pki"
        tls = {"ssl_certfile": str(pki / "server.crt"), "ssl_keyfile": str(pki / "server.key")}
        found.append(_listener("0.0.0.0", settings.API_PORT, lifespan="on", **tls))  # noqa: S104 - for clients and agents
    if settings.HTTP_PORT:
        found.append(_listener("127.0.0.1", settings.HTTP_PORT, lifespan="off" if found else "on"))
    return found


def _listener(host: str, port: int, *, lifespan: str, **tls: str) -> Listener:
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        lifespan=lifespan,  # type: ignore[arg-type]
        http="httptools",
        # kubectl's port-forward offers a subprotocol with a slash, which uvicorn's other implementation refuses.
        ws="wsproto",
        ws_max_size=16 * 1024 * 1024,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=HEADER_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        **tls,  # type: ignore[arg-type]
    )
    return Listener(config)


async def serve() -> None:
    servers = listeners()
    if not servers:
        raise SystemExit("both listeners are switched off: set SLIPWAY_API_PORT or SLIPWAY_HTTP_PORT")

    def stop() -> None:
        watching.stopping().set()
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve() for server in servers))


def main() -> None:
    import uvloop

    uvloop.run(serve())


if __name__ == "__main__":
    main()
