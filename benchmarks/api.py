"""How fast the API answers over TLS with keep-alive, on the loopback: GET and POST by one client, creates by eight.

    python -m benchmarks.api [--running]          (an instance of its own, or the one SLIPWAY_HOME names)

Clients are plain sockets with prepared requests in processes of their own, so that what is measured is the server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import instance

PODS = "/api/v1/namespaces/default/pods"


@dataclass(frozen=True)
class Server:
    port: int
    token: str
    ca_file: str


class Client:
    """One keep-alive connection."""

    def __init__(self, server: Server) -> None:
        context = ssl.create_default_context(cafile=server.ca_file)
        plain = socket.create_connection(("127.0.0.1", server.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.token = server.token

    def send(self, method: str, path: str, body: bytes = b"") -> int:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n"
            f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head_bytes, _, rest = answer.partition(b"\r\n\r\n")
        length = int(head_bytes.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(rest) < length:
            rest += self._receive()
        return int(head_bytes[9:12])

    def _receive(self) -> bytes:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


def pod(name: str) -> bytes:
    container = {
        "name": "main",
        "image": "registry.example.com/team/app:1.2",
        "env": [{"name": "MODE", "value": "fast"}],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "benchmark"}},
        "spec": {"containers": [container]},
    }
    return json.dumps(manifest).encode()


def timed(count: int, request: Callable[[int], int], expected: int) -> list[float]:
    """Milliseconds of each request."""
    found = []
    for number in range(count):
        began = time.perf_counter()
        code = request(number)
        found.append((time.perf_counter() - began) * 1000)
        if code != expected:
            raise AssertionError(f"answered {code} instead of {expected}")
    return found


def report(title: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"{title:<28} p50 {statistics.median(ordered):6.2f} ms   p99 {p99:6.2f} ms   n {len(ordered)}")


def create_many(server: Server, prefix: str, count: int, start: float) -> None:
    client = Client(server)
    time.sleep(max(start - time.time(), 0))
    timed(count, lambda number: client.send("POST", PODS, pod(f"{prefix}-{number}")), 201)


def creates_per_second(server: Server, *, clients: int, each: int) -> float:
    start = time.time() + 1.0
    workers = [
        multiprocessing.Process(target=create_many, args=(server, f"c{number}-{os.getpid()}", each, start))
        for number in range(clients)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise AssertionError("a client failed")
    return clients * each / (time.time() - start)


@contextlib.contextmanager
def chosen(*, own: bool) -> Iterator[Server]:
    if not own:
        home = Path(os.environ["SLIPWAY_HOME"])
        port = int(os.environ.get("SLIPWAY_API_PORT", "6443"))
        yield Server(port, _token(home), str(home / "pki" / "ca.crt"))
        return
    with instance.running() as made:
        yield Server(made.api_port, made.token, str(made.home / "pki" / "ca.crt"))


def _token(home: Path) -> str:
    import yaml

    return str(yaml.safe_load((home / "admin.kubeconfig").read_text())["users"][0]["user"]["token"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--running", action="store_true", help="measure the instance that SLIPWAY_HOME names")
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    with chosen(own=not options.running) as server:
        client, run = Client(server), f"b{os.getpid()}"
        timed(50, lambda number: client.send("POST", PODS, pod(f"{run}-warm-{number}")), 201)
        report("GET one pod", timed(options.requests, lambda _: client.send("GET", f"{PODS}/{run}-warm-1"), 200))
        report(
            "POST a pod",
            timed(options.requests, lambda number: client.send("POST", PODS, pod(f"{run}-{number}")), 201),
        )
        report("LIST (limit 50)", timed(200, lambda _: client.send("GET", f"{PODS}?limit=50"), 200))
        rate = creates_per_second(server, clients=8, each=options.requests // 8)
        print(f"{'creates by 8 clients':<28} {rate:6.0f} a second")


if __name__ == "__main__":
    main()
