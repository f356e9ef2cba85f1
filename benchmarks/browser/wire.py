"""The cable between browser and server, to be pulled out: a TCP relay that can fall silent.

Connections that were there when it was cut stay open and say nothing ever after, as after a laptop's sleep: nobody is told
that they are dead. Those that are made while it is cut wait until it is joined.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import Self

POLL_SECONDS = 0.2
PIECE = 1 << 16


class Wire:
    def __init__(self, port: int) -> None:
        self._server = port
        self._joined = threading.Event()
        self._joined.set()
        self._cuts = 0
        self._over = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(POLL_SECONDS)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over = True
        self._joined.set()
        self._listener.close()

    def cut(self) -> None:
        self._cuts += 1
        self._joined.clear()

    def join(self) -> None:
        self._joined.set()

    def _accept(self) -> None:
        while not self._over:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        self._joined.wait()
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._server)) as server:
            made, other = self._cuts, {client: server, server: client}
            while not self._over:
                ready = select.select(list(other), [], [], POLL_SECONDS)[0]
                if self._cuts != made:
                    # Kept open and silent until the benchmark ends.
                    while not self._over:
                        threading.Event().wait(POLL_SECONDS)
                for each in ready:
                    piece = each.recv(PIECE)
                    if not piece:
                        return
                    other[each].sendall(piece)
