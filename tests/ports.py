"""Ports for what a test starts."""

from __future__ import annotations

import random
import socket


def free_port(*, following: int = 0) -> int:
    """A port, and so many after it. Nobody has it now, and nobody gets it by chance before it is used: it is below the range
    that the kernel gives to connections on their way out, and below that of node ports."""
    while True:
        port = random.randrange(20_000, 30_000)
        if all(_is_free(port + number) for number in range(following + 1)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
