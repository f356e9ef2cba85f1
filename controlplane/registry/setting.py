"""Where the cluster's registry is, from the settings; and the servers that `manage.py up` runs. No I/O but `prepare`."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from controlplane.access.files import write_private
from controlplane.registry import config, keys, tokens
from controlplane.registry.config import Server
from controlplane.registry.errors import BadFragment
from schema.base import Wire

NOTIFICATIONS = "/apis/slipway.dev/v1/registry/notifications"
TOKEN = "/apis/slipway.dev/v1/registry/token"  # noqa: S105 - a path


@dataclass(frozen=True)
class Cache:
    """A pull-through cache: images of ``host`` are asked for at ``upstream``, on a port of their own."""

    host: str
    upstream: str
    port: int


def enabled() -> bool:
    return bool(settings.REGISTRY_ADDRESS)


def address() -> str:
    """``host:port``, as everybody reaches it; empty where there is none."""
    return str(settings.REGISTRY_ADDRESS)


def aliases() -> list[str]:
    """Other names of it in images. ``localhost`` is whoever reads it; on a node it means the cluster's registry too."""
    port = address().rpartition(":")[2]
    own = [address(), *(f"{host}:{port}" for host in settings.REGISTRY_HOSTS), f"localhost:{port}", f"127.0.0.1:{port}"]
    return list(dict.fromkeys(own)) if enabled() else []


def storage_root() -> Path:
    """distribution's ``rootdirectory``."""
    return Path(settings.REGISTRY_STORAGE or settings.HOME / "registry" / "data")


def grace() -> timedelta:
    return timedelta(seconds=settings.REGISTRY_GRACE_SECONDS)


def caches(text: str, port: int) -> list[Cache]:
    """``docker.io=https://registry-1.docker.io,quay.io=https://quay.io``: each gets the next port after the registry's.
    Raises `BadFragment`."""
    found = []
    for number, pair in enumerate(filter(None, (word.strip() for word in text.split(","))), start=1):
        host, equals, upstream = pair.partition("=")
        if not (host and equals and urlsplit(upstream).scheme in ("http", "https") and urlsplit(upstream).netloc):
            raise BadFragment(f"SLIPWAY_REGISTRY_CACHES: {pair!r} is not host=https://registry")
        found.append(Cache(host, upstream, port + number))
    return found


def facts() -> Wire | None:
    """What every node knows of it (`registry` of the object Cluster)."""
    if not enabled():
        return None
    try:
        authority = (settings.HOME / "pki" / "ca.crt").read_bytes()
    except FileNotFoundError:
        return None
    host = address().rpartition(":")[0]
    mirrors = {one.host: f"{host}:{one.port}" for one in caches(settings.REGISTRY_CACHES, settings.REGISTRY_PORT)}
    certificate = keys.certificate_path(settings.HOME)
    return {
        "address": address(),
        "aliases": aliases(),
        "caData": base64.b64encode(authority).decode(),
        **({"tokenCertificateData": keys.signer(settings.HOME).x5c} if certificate.exists() else {}),
        "tokenPath": TOKEN,
        "mirrors": mirrors,
    }


def servers(*, port: int, api: str, notify: str) -> Sequence[Server]:
    """The registry and its caches. ``api``: ``https://host:port`` at which clients reach the control plane; ``notify``: at
    which the registry does."""
    home, pki = settings.HOME, settings.HOME / "pki"
    secret = settings.REGISTRY_SECRET

    def server(directory: Path, port: int, service: str, upstream: str = "") -> Server:
        return Server(
            directory=directory,
            port=port,
            service=service,
            realm=api + TOKEN,
            certificate=pki / "server.crt",
            key=pki / "server.key",
            token_certificate=keys.certificate_path(home),
            secret=secret,
            upstream=upstream,
            notify="" if upstream else notify + NOTIFICATIONS,
            notification_secret=secret,
        )

    found = [server(home / "registry", port, tokens.SERVICE)]
    for one in caches(settings.REGISTRY_CACHES, port):
        found.append(server(home / "registry" / f"cache-{one.host}", one.port, tokens.CACHE_SERVICE, one.upstream))
    return found


def prepare(found: Sequence[Server]) -> None:
    """Directories and configurations, which hold secrets. Raises `BadFragment`."""
    keys.ensure(settings.HOME)
    for server in found:
        server.storage.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(server.file, config.text(server).encode())
