"""The real haproxy with configurations of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from nodeagent.ingress import certificates, configuration, routes
from nodeagent.ingress.proxy import Proxy, ProxyError, connections_possible
from nodeagent.settings import Settings
from schema.base import Wire
from tests.agent.host import instance, needs_host, until
from tests.ports import free_port
from tests.unit.test_ingress_routes import ingress, path

pytestmark = needs_host


class Echo:
    """An HTTP server that says its name, the path it was asked for and the headers of the proxy."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slow = asyncio.Event()
        self.arrived = asyncio.Event()
        self._open: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                if "/slow" in head:
                    self.arrived.set()
                    await self.slow.wait()
                if "Upgrade: websocket" in head or "upgrade: websocket" in head:
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                    )
                    while data := await reader.read(100):
                        writer.write(data)
                    return
                body = f"{self.name} {head}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()


class Bench:
    def __init__(self, proxy: Proxy, port: int, secure_port: int) -> None:
        self.proxy, self.port, self.secure_port = proxy, port, secure_port
        self.services: dict[routes.Key, Wire] = {}
        self.acme_account = ""

    def service(self, name: str, port: int) -> None:
        self.services["shop", name] = {
            "metadata": {"namespace": "shop", "name": name},
            "spec": {"clusterIP": "127.0.0.1", "ports": [{"name": "http", "port": port}]},
        }

    async def apply(self, *ingresses: Wire, pem: dict[str, tuple[bytes, tuple[str, ...]]] | None = None) -> None:
        pem = pem or {}
        listening = configuration.Listening(
            http_port=self.port,
            https_port=self.secure_port,
            addresses=("127.0.0.1",),
            connections=connections_possible(1000),
            user="",
            acme_account=self.acme_account,
        )
        hosts = {name: hosts for name, (_, hosts) in pem.items()}
        table = routes.table(ingresses, self.services, {})
        digest = configuration.render(table, listening, Path("/"), hosts).digest[:16]
        files = configuration.render(table, listening, self.proxy.generation(digest), hosts)
        data = {name: data for name, (data, _) in pem.items()}
        await self.proxy.apply(digest, files, {"default.pem": certificates.self_signed("ingress.test"), **data})

    async def get(self, host: str, where: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:  # one of them waits for several reloads
            return await client.get(f"http://127.0.0.1:{self.port}{where}", headers={"Host": host})


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with _settings() as settings:
        proxy = Proxy(settings.run_dir / "ingress", cgroup=f"/{settings.cgroup_parent}/ingress")
        try:
            yield Bench(proxy, free_port(), free_port())
        finally:
            await proxy.stop()
            assert not proxy.directory.exists()


@contextlib.contextmanager
def _settings() -> Iterator[Settings]:
    with instance() as settings:
        yield settings


async def test_requests_go_where_host_and_path_lead(bench: Bench) -> None:
    async with Echo("web") as web, Echo("api") as api:
        bench.service("web", web.port)
        bench.service("api", api.port)
        await bench.apply(
            ingress(
                "i",
                (
                    "a.test",
                    [path("/foo", "web", web.port), path("/foo/x", "api", api.port, "Exact"), path("/gone", "no", 1)],
                ),
                ("*.w.test", [path("/", "api", api.port)]),
            )
        )
        table = [
            ("a.test", "/foo", "web"),
            ("a.test", "/foo/", "web"),
            ("a.test", "/foo?x=/bar", "web"),
            ("A.Test:1234", "/foo/bar", "web"),
            ("a.test", "/foo/x", "api"),
            ("a.test", "/foo/x?q=1", "api"),
            ("a.test", "/foo/x/", "web"),
            ("a.test", "/foobar", 404),
            ("a.test", "/", 404),
            ("a.test", "/gone/now", 503),
            ("x.w.test", "/any/thing", "api"),
            ("y.x.w.test", "/", 404),
            ("w.test", "/", 404),
            ("b.test", "/foo", 404),
            ("a.test", "/foo/%2e%2e/secret", 400),
        ]
        for host, where, wanted in table:
            answer = await bench.get(host, where)
            got = answer.text.split()[0] if answer.status_code == 200 else answer.status_code
            assert got == wanted, f"{host}{where}"


async def test_the_client_s_address_is_passed_on_and_its_own_words_are_not(bench: Bench) -> None:
    async with Echo("web") as web:
        bench.service("web", web.port)
        await bench.apply(ingress("i", ("a.test", [path("/", "web", web.port)])))
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.get(
                f"http://127.0.0.1:{bench.port}/",
                headers={"Host": "a.test", "X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"},
            )
        head = answer.text.lower()
        assert "x-forwarded-for: 127.0.0.1\r\n" in head
        assert "x-forwarded-proto: http\r\n" in head
        assert "6.6.6.6" not in head


V1 = b"PROXY TCP4 127.0.0.1 127.0.0.1 "
V2 = b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11"
"""The signature, then: version 2, PROXY, TCP over IPv4 (haproxy's proxy-protocol.txt, 2.2)."""


@pytest.mark.parametrize(("version", "head"), [("v1", V1), ("v2", V2)])
async def test_the_client_s_address_is_passed_on_by_the_proxy_protocol_too(
    bench: Bench, version: str, head: bytes
) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.readexactly(len(head)))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        bench.service("raw", port)
        told = {"slipway.dev/proxy-protocol": version}
        await bench.apply(ingress("i", ("a.test", [path("/", "raw", port)]), annotations=told))
        assert (await bench.get("a.test", "/")).status_code == 502  # it has hung up on the proxy
        assert await heard.get() == head


async def test_challenges_are_answered_unless_somebody_else_does(bench: Bench) -> None:
    async with Echo("solver") as solver:
        bench.service("solver", solver.port)
        bench.acme_account = "t" * 43
        own = "/.well-known/acme-challenge/theirs"
        await bench.apply(
            ingress("i", ("a.test", [path(own, "solver", solver.port, "Exact")]), tls=[{"hosts": ["a.test"]}])
        )
        answer = await bench.get("a.test", "/.well-known/acme-challenge/Abc-_9")
        assert answer.text == "Abc-_9." + "t" * 43
        assert (await bench.get("elsewhere.test", "/.well-known/acme-challenge/x")).status_code == 200
        assert (await bench.get("a.test", own)).text.startswith("solver ")
        assert (await bench.get("a.test", "/.well-known/acme-challenge/a/b")).status_code == 404
        assert (await bench.get("a.test", "/.well-known/acme-challenge/a%0d%0ab")).status_code == 404


async def test_tls_is_ended_with_the_host_s_certificate_and_plain_http_redirected(bench: Bench) -> None:
    async with Echo("web") as web:
        bench.service("web", web.port)
        one = ingress("i", ("a.test", [path("/", "web", web.port)]), tls=[{"hosts": ["a.test"], "secretName": "cert"}])
        await bench.apply(one, pem={"a.pem": (certificates.self_signed("a.test"), ("a.test",))})
        plain = await bench.get("a.test", "/x?y=1")
        assert plain.status_code == 308
        assert plain.headers["location"] == f"https://a.test:{bench.secure_port}/x?y=1"
        for name, subject in (("a.test", "a.test"), ("unknown.test", "ingress.test")):
            assert await _subject(bench.secure_port, name) == subject


async def _subject(port: int, name: str) -> str:
    from cryptography import x509

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    certificate = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.close()
    return str(certificate.subject.rfc4514_string().removeprefix("CN="))


async def test_reloads_drop_nothing(bench: Bench) -> None:
    """New connections, requests in the middle, and a websocket."""
    async with Echo("web") as web:
        bench.service("web", web.port)
        paths = [path("/", "web", web.port)]
        await bench.apply(ingress("i", ("a.test", paths)))
        stop = asyncio.Event()
        answered = 0

        async def load() -> None:
            nonlocal answered
            while not stop.is_set():
                assert (await bench.get("a.test", "/")).status_code == 200
                answered += 1

        loads = [asyncio.create_task(load()) for _ in range(4)]
        slow = asyncio.create_task(bench.get("a.test", "/slow"))
        await web.arrived.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
        for number in range(5):
            await bench.apply(ingress("i", ("a.test", [*paths, path(f"/{number}", "web", web.port)])))
        web.slow.set()
        assert (await slow).status_code == 200
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        writer.close()
        stop.set()
        await asyncio.gather(*loads)
        assert answered > 20


async def test_it_outlives_whoever_started_it_and_is_taken_over(bench: Bench) -> None:
    async with Echo("web") as web:
        bench.service("web", web.port)
        one = ingress("i", ("a.test", [path("/", "web", web.port)]))
        await bench.apply(one)
        pid = bench.proxy.pid
        again = Proxy(bench.proxy.directory, cgroup=bench.proxy._cgroup)
        assert again.pid == pid
        bench.proxy = again
        await bench.apply(one)
        assert again.pid == pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await again.ended()
        await until(lambda: again.pid is None)
        await bench.apply(one)
        assert (await bench.get("a.test", "/")).status_code == 200


async def test_a_port_that_is_taken_is_named(bench: Bench) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", bench.port))
        taken.listen()
        with pytest.raises(ProxyError, match=str(bench.port)):
            await bench.apply()


async def test_a_configuration_that_is_refused_changes_nothing(bench: Bench) -> None:
    async with Echo("web") as web:
        bench.service("web", web.port)
        await bench.apply(ingress("i", ("a.test", [path("/", "web", web.port)])))
        with pytest.raises(ProxyError, match="refuses"):
            await bench.apply(
                ingress("i", ("a.test", [path("/", "web", web.port)])), pem={"a.pem": (b"rubbish", ("a.test",))}
            )
        assert (await bench.get("a.test", "/")).status_code == 200
