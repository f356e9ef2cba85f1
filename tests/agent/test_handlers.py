"""The actions of probes and hooks against real servers on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from nodeagent.pods import grpc_health, handlers
from schema.core.container import Container
from schema.core.probe import GRPCAction, HTTPGetAction, TCPSocketAction

WEB = Container.parse({"name": "web", "ports": [{"name": "http", "containerPort": 0x1F90}]})
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(serve: Serve, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    serving: set[asyncio.Task[None] | None] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await serve(reader, writer)
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        await asyncio.gather(*(task for task in serving if task))


class Http:
    """Answers by path, and notes the requests."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.requests: list[list[str]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = []
        while line := (await reader.readline()).decode().strip():
            lines.append(line)
        self.requests.append(lines)
        name = lines[0].split()[1].strip("/").partition("?")[0] or "root"
        writer.write(f"HTTP/1.1 {self.answers[name]}\r\n\r\n".encode())
        await writer.drain()


def get(port: int | str, path: str = "/", **more: object) -> HTTPGetAction:
    return HTTPGetAction.parse({"port": port, "path": path, **more})


@pytest.mark.parametrize(
    ("answer", "success", "message"),
    [
        ("200 OK", True, ""),
        ("204 No Content", True, ""),
        ("302 Found\r\nLocation: http://elsewhere.example/", True, ""),
        ("404 Not Found", False, "HTTP probe failed with statuscode: 404"),
        ("500 Oh", False, "HTTP probe failed with statuscode: 500"),
    ],
)
async def test_http_status(answer, success, message):
    async with server(Http(root=answer)) as port:
        outcome = await handlers.http_get(get(port), WEB, "127.0.0.1")
        assert (outcome.success, outcome.message) == (success, message)


async def test_http_sends_headers_host_and_path():
    http = Http(health="200 OK")
    headers = [{"name": "X-A", "value": "1"}, {"name": "Host", "value": "shop.example"}]
    async with server(http) as port:
        outcome = await handlers.http_get(get(port, "health?deep=1", httpHeaders=headers), WEB, "127.0.0.1")
    assert outcome.success
    [request] = http.requests
    assert request[0] == "GET /health?deep=1 HTTP/1.1"
    assert "Host: shop.example" in request
    assert "X-A: 1" in request
    assert "User-Agent: kube-probe/1.37" in request
    assert sum(line.lower().startswith("host:") for line in request) == 1


async def test_http_follows_a_redirection_on_the_same_host():
    http = Http(root="301 Moved\r\nLocation: /login", login="503 Down")
    async with server(http) as port:
        outcome = await handlers.http_get(get(port), WEB, "127.0.0.1")
    assert outcome.message == "HTTP probe failed with statuscode: 503"


async def test_http_that_redirects_for_ever_ends():
    http = Http(root="301 Moved\r\nLocation: /")
    async with server(http) as port:
        outcome = await handlers.http_get(get(port), WEB, "127.0.0.1")
    assert outcome.success
    assert len(http.requests) == handlers.MAX_REDIRECTS


async def test_https_without_asking_for_a_certificate(tmp_path: Path):
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody", "-days", "1"]
    subprocess.run([*make, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    async with server(Http(root="200 OK"), tls=tls) as port:
        assert (await handlers.http_get(get(port, scheme="HTTPS"), WEB, "127.0.0.1")).success
        plain = await handlers.http_get(get(port), WEB, "127.0.0.1")
        assert plain.success is False


async def _garbage(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-not-http\r\n")
    await writer.drain()


async def _endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: and more\r\n" * 100)
        await writer.drain()


@pytest.mark.parametrize("serve", [_garbage, _endless])
async def test_what_is_no_http_is_a_failure_and_not_an_error(serve):
    async with server(serve) as port:
        outcome = await handlers.http_get(get(port), WEB, "127.0.0.1")
        assert outcome.success is False
        assert outcome.message.startswith(f'Get "http://127.0.0.1:{port}/": ')


async def test_nobody_listens():
    async with server(_garbage) as port:
        pass
    for outcome in (
        await handlers.http_get(get(port), WEB, "127.0.0.1"),
        await handlers.tcp_socket(TCPSocketAction(port=port), WEB, "127.0.0.1"),
        await handlers.grpc(GRPCAction(port=port), "127.0.0.1"),
    ):
        assert outcome.success is False
        assert "connection refused" in outcome.message


async def test_a_port_that_opens_is_enough_for_tcp():
    async with server(_garbage) as port:
        assert (await handlers.tcp_socket(TCPSocketAction(port=port), WEB, "127.0.0.1")).success


def test_ports_go_by_number_or_name():
    assert handlers.port_of(80, WEB) == 80
    assert handlers.port_of("80", WEB) == 80
    assert handlers.port_of("http", WEB) == 8080
    with pytest.raises(handlers.Unresolved, match="couldn't find port: admin"):
        handlers.port_of("admin", WEB)


# gRPC


class Health:
    """A gRPC health server: status by service, or a gRPC error code."""

    def __init__(self, statuses: dict[str, int], code: int = 0) -> None:
        self.statuses = statuses
        self.code = code
        self.path = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        body = b""
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self.path = {str(name): str(value) for name, value in event.headers or ()}[":path"]
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data or b""
                elif isinstance(event, h2.events.StreamEnded):
                    self._answer(connection, event.stream_id or 0, body)
            writer.write(connection.data_to_send())
            await writer.drain()

    def _answer(self, connection: h2.connection.H2Connection, stream: int, body: bytes) -> None:
        head = [(":status", "200"), ("content-type", "application/grpc")]
        if self.code:
            failed = [*head, ("grpc-status", str(self.code)), ("grpc-message", "no")]
            connection.send_headers(stream, failed, end_stream=True)
            return
        service = body[7:].decode()
        status = self.statuses[service]
        message = bytes([8, status]) if status else b""
        connection.send_headers(stream, head)
        connection.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message)
        connection.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@pytest.mark.parametrize(
    ("service", "success", "message"),
    [
        ("", True, ""),
        ("a.B", True, ""),
        ("a.Down", False, 'service unhealthy (responded with "NOT_SERVING")'),
        ("a.Odd", False, 'service unhealthy (responded with "UNKNOWN")'),
    ],
)
async def test_grpc_health(service, success, message):
    health = Health({"": 1, "a.B": 1, "a.Down": 2, "a.Odd": 0})
    async with server(health) as port:
        outcome = await handlers.grpc(GRPCAction(port=port, service=service), "127.0.0.1")
    assert (outcome.success, outcome.message) == (success, message)
    assert health.path == "/grpc.health.v1.Health/Check"


async def test_a_grpc_server_without_the_health_service_says_so():
    async with server(Health({}, code=12)) as port:
        outcome = await handlers.grpc(GRPCAction(port=port), "127.0.0.1")
    assert "does not implement the grpc health protocol" in outcome.message
    async with server(Health({}, code=5)) as port:
        outcome = await handlers.grpc(GRPCAction(port=port, service="x"), "127.0.0.1")
    assert outcome.message == "rpc error: code = NotFound desc = no"


async def test_what_is_no_http2_is_no_grpc():
    for serve in (_garbage, Http(**{"*": "505 HTTP Version Not Supported"})):
        async with server(serve) as port:
            outcome = await handlers.grpc(GRPCAction(port=port), "127.0.0.1")
        assert outcome.success is False


def test_the_request_is_protobuf_whatever_the_names_length():
    assert grpc_health.request("") == b""
    assert grpc_health.request("a") == b"\x0a\x01a"
    assert grpc_health.request("x" * 200)[:3] == b"\x0a\xc8\x01"
