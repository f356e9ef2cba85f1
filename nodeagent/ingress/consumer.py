"""Follows the cluster's Ingresses: on a node that is labelled for it, the proxy runs and is as they say."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import pwd
import socket
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from nodeagent.cluster import ClusterView, Consumer, Key
from nodeagent.errors import AgentError
from nodeagent.ingress import certificates, configuration, routes
from nodeagent.ingress.configuration import Listening
from nodeagent.ingress.proxy import Proxy, connections_possible
from nodeagent.settings import Settings
from schema.base import Wire
from schema.discovery.endpointslice import SERVICE_NAME_LABEL
from schema.networking import ingress

log = logging.getLogger(__name__)

CONNECTIONS = 20_000
RESTART_SECONDS = 1.0
_DEFAULT = "default.pem"
_USER = "haproxy"


class Ingresses(Consumer):
    name = "ingress"
    kinds = frozenset({"Node", "Ingress", "IngressClass", "Service", "EndpointSlice"})

    def __init__(self, settings: Settings) -> None:
        self._node = settings.node_name
        self._ports = settings.ingress_http_port, settings.ingress_https_port
        self._default = settings.home.absolute() / "ingress" / _DEFAULT
        self._proxy = proxy(settings)
        self._runs = asyncio.Event()
        self._told: dict[str, str] = {}

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        own = view.get("Node", "", self._node)
        if own is None:
            return
        if not ingress.serves(own["metadata"].get("labels") or {}):
            self._runs.clear()
            if self._proxy.directory.exists():
                await self._proxy.stop()
            return
        table = _table(view)
        files, hosts = self._certificates(view, table)
        user = _USER if _exists(_USER) else ""
        account = routes.acme_account(view.all("IngressClass").values())
        listening = Listening(*self._ports, _addresses(), connections_possible(CONNECTIONS), user, user, account)
        # The digest names the directory that the text speaks of, so it is taken of the text as for another.
        contents = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()
        digest = configuration.render(table, listening, Path("/") / contents, hosts).digest[:24]
        text = configuration.render(table, listening, self._proxy.generation(digest), hosts)
        await self._proxy.apply(digest, text, files)
        self._runs.set()

    async def watch(self, poke: Callable[[], None]) -> None:
        """A proxy that dies is started again."""
        while True:
            await self._runs.wait()
            await self._proxy.ended()
            if self._runs.is_set():
                log.warning("haproxy has ended; it is started again")
                poke()
            await asyncio.sleep(RESTART_SECONDS)

    def _certificates(
        self, view: ClusterView, table: routes.Table
    ) -> tuple[dict[str, bytes], dict[str, tuple[str, ...]]]:
        """Files, and the hosts that each is for. A host without a usable one gets the node's own."""
        files, hosts = {_DEFAULT: self._own_certificate()}, {}
        told: dict[str, str] = {}
        for one in table.certificates:
            try:
                data = certificates.from_secret(view.secret(*one.secret))
            except ValueError as error:
                told["/".join(one.secret)] = str(error)
                continue
            file = (
                hashlib.sha256("/".join(one.secret).encode() + " ".join(one.hosts).encode()).hexdigest()[:24] + ".pem"
            )
            files[file], hosts[file] = data, one.hosts
        for secret, why in told.items():
            if self._told.get(secret) != why:
                log.warning("certificate %s is not served: %s", secret, why)
        self._told = told
        return files, hosts

    def _own_certificate(self) -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return self._default.read_bytes()
        self._default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = certificates.self_signed(self._node)
        draft = self._default.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_bytes(data)
        draft.rename(self._default)
        return data


def proxy(settings: Settings) -> Proxy:
    return Proxy(settings.run_dir.absolute() / "ingress", cgroup=f"/{settings.cgroup_parent}/ingress")


def _table(view: ClusterView) -> routes.Table:
    endpoints: defaultdict[routes.Key, list[Wire]] = defaultdict(list)
    for (namespace, _), piece in view.all("EndpointSlice").items():
        endpoints[namespace, piece["metadata"]["labels"][SERVICE_NAME_LABEL]].append(piece)
    served = routes.served(view.all("Ingress").values(), view.all("IngressClass").values())
    return routes.table(served, view.all("Service"), endpoints)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _addresses() -> tuple[str, ...]:
    """Every address, of IPv6 too where the host has it."""
    everywhere = "0.0.0.0"  # noqa: S104 - an ingress node is labelled in order to answer
    if not socket.has_ipv6:
        return (everywhere,)
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return (everywhere,)
    return everywhere, "::"


async def remove(settings: Settings) -> None:
    """Stop a proxy that is left on the host."""
    with contextlib.suppress(AgentError):
        await proxy(settings).stop()
