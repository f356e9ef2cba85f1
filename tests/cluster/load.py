"""Load from within a pod's network namespace: a program of its own (`nsenter --net=… python load.py …`).

    load.py HTTP_ADDRESS PORT DNS_ADDRESS NAME EXPECTED PING_ADDRESS

Runs until its standard input ends, and then prints one line of JSON: how often each was done, what failed, the longest. Nothing
is tried twice: a datagram that is not answered within `PATIENCE_SECONDS` is a failure, where a resolver would ask again.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 20.0
PAUSE_SECONDS = 0.01


class Load:
    def __init__(self) -> None:
        self.stop = threading.Event()
        self.counts: dict[str, int] = {}
        self.failures: list[str] = []
        self.longest: dict[str, float] = {}

    def repeat(self, name: str, once: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    once()
                except (OSError, ValueError, http.client.HTTPException) as error:
                    self.failures.append(f"{name}: {type(error).__name__}: {error}")
                self.counts[name] = self.counts.get(name, 0) + 1
                self.longest[name] = max(self.longest.get(name, 0.0), time.monotonic() - began)
                time.sleep(PAUSE_SECONDS)

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def request(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or body != b"ok\n":
        raise ValueError(f"{answer.status} {body!r}")


def fresh(address: str, port: int) -> Callable[[], None]:
    def once() -> None:
        connection = http.client.HTTPConnection(address, port, timeout=PATIENCE_SECONDS)
        try:
            request(connection)
        finally:
            connection.close()

    return once


def kept(address: str, port: int) -> Callable[[], None]:
    """All on one connection: http.client would open another if this one ended, so that is looked at."""
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE_SECONDS)
    connection.connect()
    connection.auto_open = False
    return lambda: request(connection)


def look_up(server: str, name: str, expected: str) -> Callable[[], None]:
    labels = b"".join(bytes([len(word)]) + word.encode() for word in name.split("."))

    def once() -> None:
        identifier = os.urandom(2)
        query = identifier + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.settimeout(PATIENCE_SECONDS)
            own.connect((server, 53))
            own.send(query)
            answer = own.recv(4096)
        if answer[:2] != identifier or not answer.endswith(socket.inet_aton(expected)):
            raise ValueError(f"answer {answer.hex()}")

    return once


def ping(address: str) -> Callable[[], None]:
    own = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    own.settimeout(PATIENCE_SECONDS)
    own.connect((address, 0))
    number = 0

    def once() -> None:
        nonlocal number
        number = (number + 1) & 0xFFFF
        head = struct.pack("!BBHHH", 8, 0, 0, 0x5157, number)
        total = sum(struct.unpack("!4H", head))
        total = (total & 0xFFFF) + (total >> 16)
        own.send(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:])
        while True:
            answer = own.recv(2048)
            inner = answer[(answer[0] & 15) * 4 :]
            if inner[0] == 0 and inner[4:8] == head[4:8]:
                return

    return once


def main() -> None:
    address, port, server, name, expected, far = sys.argv[1:]
    load = Load()
    threads = [load.repeat("new connection", fresh(address, int(port))) for _ in range(2)]
    threads += [load.repeat("kept connection", kept(address, int(port))) for _ in range(2)]
    threads += [load.repeat("look-up", look_up(server, name, expected)), load.repeat("ping", ping(far))]
    print("ready", flush=True)
    sys.stdin.read()
    load.stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"counts": load.counts, "failures": load.failures[:20], "longest": load.longest}))


if __name__ == "__main__":
    main()
