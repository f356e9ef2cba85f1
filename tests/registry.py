"""A real registry for tests: Debian's ``docker-registry`` on a port of its own, and ways to make it misbehave.

`start` runs it open, with basic authentication, with token authentication (and the token server), or behind TLS.
`FaultyProxy` stands before it, counts what it serves, and cuts connections in the middle of a blob.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.client
import http.server
import ipaddress
import json
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

USERNAME = "alice"
PASSWORD = "wonderland"
_HTPASSWD = "alice:$2b$04$.zkv9ev6nOAv2YYRD.DxD.QuJR6CwEHF1GNWRo3Y8evfu1GjkImGy\n"
_SERVICE = "test-registry"
_ISSUER = "test-issuer"

Auth = Literal["none", "basic", "token"]


@dataclass(frozen=True)
class Registry:
    """``host`` is what an image reference begins with, e.g. ``127.0.0.1:40123``."""

    host: str
    storage: Path
    auth: Auth = "none"
    ca_file: Path = Path()
    """Of a registry behind TLS."""
    token_server: TokenServer | None = None
    tls: bool = False

    @property
    def tokens(self) -> TokenServer:
        if self.token_server is None:
            raise ValueError("this registry does not authenticate by tokens")
        return self.token_server

    def reference(self, name: str) -> str:
        return f"{self.host}/{name}"


@contextlib.contextmanager
def start(
    *,
    auth: Auth = "none",
    tls: bool = False,
    storage: Path | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Registry]:
    """A registry that lives as long as the block. ``storage`` shares one store among several registries."""
    with contextlib.ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix="slipway-registry-"))
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        certificate = make_certificate(work)
        tokens = stack.enter_context(TokenServer(certificate.key).running()) if auth == "token" else None
        storage = storage or work / "storage"
        config = _config(storage, auth=auth, certificate=certificate, tls=tls, tokens=tokens, work=work)
        config["http"]["addr"] = f"{address}:{port}"
        (work / "config.yml").write_text(json.dumps(config))
        port = stack.enter_context(_serve(work / "config.yml"))
        yield Registry(f"{address}:{port}", storage, auth, certificate.certificate_file, tokens, tls)


def _config(
    storage: Path, *, auth: Auth, certificate: Certificate, tls: bool, tokens: TokenServer | None, work: Path
) -> dict[str, Any]:
    http_section: dict[str, Any] = {"addr": "127.0.0.1:0", "secret": "not-a-secret"}
    if tls:
        http_section["tls"] = {"certificate": str(certificate.certificate_file), "key": str(certificate.key_file)}
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": http_section,
    }
    if auth == "basic":
        (work / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(work / "htpasswd")}}
    if tokens is not None:
        config["auth"] = {
            "token": {
                "realm": f"http://127.0.0.1:{tokens.port}/token",
                "service": _SERVICE,
                "issuer": _ISSUER,
                "rootcertbundle": str(certificate.certificate_file),
            }
        }
    return config


@contextlib.contextmanager
def _serve(config: Path) -> Iterator[int]:
    """The daemon's own choice of port (0) is read from its log, so that no two tests ever race for one."""
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    seen: list[str] = []
    try:
        for line in process.stderr:
            seen.append(line)
            if found := re.search(r"listening on [^\s\"]*:(\d+)", line):
                threading.Thread(target=_drain, args=(process.stderr,), daemon=True).start()
                yield int(found.group(1))
                return
        raise RuntimeError("docker-registry did not start:\n" + "".join(seen[-20:]))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with contextlib.suppress(OSError, ValueError):
            process.stderr.close()


def _drain(stream: Any) -> None:
    with contextlib.suppress(OSError, ValueError):
        for _ in stream:
            pass


@dataclass(frozen=True)
class Certificate:
    key: tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
    certificate_file: Path
    key_file: Path


def make_certificate(directory: Path, host: str = "127.0.0.1") -> Certificate:
    """A self-signed certificate for loopback, good for TLS and for signing tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    certificate_file, key_file = directory / "registry.crt", directory / "registry.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Certificate((key, certificate), certificate_file, key_file)


@dataclass
class TokenServer:
    """Hands out bearer tokens as a registry's authorisation service does; ``alice`` may do all, nobody else a thing.

    ``anonymous_pull`` lets everyone pull. ``requests`` lists (path and query, Authorization header) as they came.
    """

    key: tuple[ec.EllipticCurvePrivateKey, x509.Certificate]
    anonymous_pull: bool = False
    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)

    @contextlib.contextmanager
    def running(self) -> Iterator[TokenServer]:
        outer = self

        class Handler(_QuietHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, self.headers.get("Authorization", "")))
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                outer._answer(self, query.get("scope", []), outer._is_alice(self.headers.get("Authorization", "")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
                outer.requests.append((f"{self.path} {body}", self.headers.get("Authorization", "")))
                form = urllib.parse.parse_qs(body)
                right = form.get("refresh_token") == [PASSWORD] or (
                    form.get("username") == [USERNAME] and form.get("password") == [PASSWORD]
                )
                outer._answer(self, form.get("scope", []), right)

        with _serving(Handler) as port:
            self.port = port
            yield self

    @staticmethod
    def _is_alice(header: str) -> bool:
        return header == "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    def _answer(self, handler: _QuietHandler, scopes: list[str], is_alice: bool) -> None:
        if not is_alice and handler.headers.get("Authorization"):
            handler.reply(401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]})
            return
        access = []
        for scope in " ".join(scopes).split():
            kind, name, actions = scope.rsplit(":", 2) if scope.count(":") >= 2 else (scope, "", "")
            allowed = [a for a in actions.split(",") if is_alice or (self.anonymous_pull and a == "pull")]
            access.append({"type": kind, "name": name, "actions": allowed})
        token = self._sign(access)
        handler.reply(200, {"token": token, "access_token": token, "expires_in": 300})

    def _sign(self, access: list[dict[str, Any]]) -> str:
        private_key, certificate = self.key
        der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
        now = int(time.time())
        claims = {"iss": _ISSUER, "sub": USERNAME, "aud": _SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now}
        claims |= {"jti": str(now), "access": access}
        head = {"typ": "JWT", "alg": "ES256", "x5c": [der]}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        r, s = decode_dss_signature(private_key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return signed + "." + _base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _QuietHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of what the tests do."""


@contextlib.contextmanager
def _serving(
    handler: type[http.server.BaseHTTPRequestHandler], address: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    with _Server((address, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Served:
    """One answer that went through the proxy. ``bytes_sent`` counts the body only."""

    method: str
    path: str
    status: int
    range: str
    authorization: str
    bytes_sent: int


Tamper = Callable[[str, bytes], bytes]


@dataclass
class FaultyProxy:
    """An HTTP proxy before a registry. Change its attributes at any time; each request looks at them anew.

    * ``cut_after``: a list of byte counts; each blob answer takes the next and is cut after so many bytes.
    * ``tamper``: called with path and body, returns what the client gets (same length or not).
    * ``statuses``: status codes to answer with instead of asking the registry, one per request, while any are left.
    * ``gate``: an event that blobs of more than 64 KiB wait for after their first piece, to hold a download half-done.
    * ``ranges``: False answers every request for a range with the whole.
    * ``redirect_blobs_to``: host:port that blobs are redirected to, as registries with object storage do.
    """

    upstream: str
    cut_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    tamper: Tamper | None = None
    gate: threading.Event | None = None
    redirect_blobs_to: str = ""
    ranges: bool = True
    address: str = "127.0.0.1"
    port: int = 0
    served: list[Served] = field(default_factory=list)
    busiest: int = 0
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return f"{self.address}:{self.port}"

    def blobs(self) -> list[Served]:
        return [one for one in self.served if "/blobs/" in one.path and one.method == "GET"]

    def blob_bytes(self) -> int:
        return sum(one.bytes_sent for one in self.blobs())

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultyProxy]:
        outer = self

        class Handler(_QuietHandler):
            def do_GET(self) -> None:
                outer._forward(self)

            def do_HEAD(self) -> None:
                outer._forward(self)

        with _serving(Handler, self.address, self.port) as port:
            self.port = port
            yield self

    def _forward(self, handler: _QuietHandler) -> None:
        is_blob = "/blobs/" in handler.path and handler.command == "GET"
        if self.statuses:
            status = self.statuses.pop(0)
            self._note(handler, status, 0)  # first: who has the answer may look at once
            handler.reply(status, {"errors": [{"code": "TEST", "message": "as the test asked"}]})
        elif is_blob and self.redirect_blobs_to:
            self._note(handler, 307, 0)
            handler.reply(307, b"", {"Location": f"http://{self.redirect_blobs_to}{handler.path}"})
        else:
            self._relay(handler, is_blob=is_blob)

    def _note(self, handler: _QuietHandler, status: int, sent: int) -> None:
        headers = handler.headers
        auth, wanted = headers.get("Authorization", ""), headers.get("Range", "")
        self.served.append(Served(handler.command, handler.path, status, wanted, auth, sent))

    def _relay(self, handler: _QuietHandler, *, is_blob: bool) -> None:
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        dropped = ("host", "connection") if self.ranges else ("host", "connection", "range")
        kept = {k: v for k, v in handler.headers.items() if k.lower() not in dropped}
        connection.request(handler.command, handler.path, headers=kept | {"Host": self.upstream})
        answer = connection.getresponse()
        handler.send_response(answer.status)
        changed = self.tamper is not None and handler.command == "GET"
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "date", "server") and not (changed and name == "Content-Length"):
                handler.send_header(name, value)
        handler.end_headers()
        sent = 0
        with self._lock:
            self._busy += is_blob
            self.busiest = max(self.busiest, self._busy)
        try:
            sent = self._pump(handler, answer, is_blob=is_blob)
        finally:
            with self._lock:
                self._busy -= is_blob
            self._note(handler, answer.status, sent)
            connection.close()

    def _pump(self, handler: _QuietHandler, answer: http.client.HTTPResponse, *, is_blob: bool) -> int:
        limit = self.cut_after.pop(0) if is_blob and self.cut_after else None
        sent = 0
        if self.tamper is not None:
            data = self.tamper(handler.path, answer.read())
            handler.wfile.write(data)
            return len(data)
        while piece := answer.read(65536 if limit is None else min(65536, limit - sent)):
            handler.wfile.write(piece)
            sent += len(piece)
            if is_blob and self.gate is not None and answer.length:
                self.gate.wait(30)
        return sent
