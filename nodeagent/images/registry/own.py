"""The cluster's own registry, as the control plane describes it in the object Cluster: where it is, what else it is called,
which authority vouches for it, and how this node logs in.

A node shows its own credential, and only to the control plane that it belongs to: whatever token service the registry names,
the one at the agent's own server is asked.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nodeagent import checkpoint, config
from nodeagent.cluster import ClusterView, Key
from nodeagent.credential import Credential
from nodeagent.facilities import Credentials

if TYPE_CHECKING:
    from nodeagent.settings import Settings

log = logging.getLogger(__name__)

NODE_PREFIX = "system:node:"

_REACHED = "control-plane.json"


@dataclass(frozen=True)
class OwnRegistry:
    address: str
    """``host:port``: what is connected to."""
    names: frozenset[str] = frozenset()
    """By which images mean it."""
    authority: str = field(default="", repr=False)
    """PEM."""
    token_certificate: bytes = field(default=b"", repr=False)
    """DER; its key signs what the token service gives."""
    mirrors: Mapping[str, str] = field(default_factory=dict)
    """Registry host to the pull-through cache that is asked before it."""
    token_url: str = ""
    user: str = ""
    password: Callable[[], str] = field(default=lambda: "", repr=False)

    @property
    def servers(self) -> frozenset[str]:
        """Those that the cluster's authority vouches for, the token service among them."""
        return frozenset({self.address, *self.mirrors.values(), urlsplit(self.token_url).netloc})

    def is_own(self, server: str) -> bool:
        return server == self.address or server in self.mirrors.values()

    @property
    def login(self) -> Credentials:
        return Credentials(self.user, self.password())


def read(spec: Mapping[str, Any], *, server: str, node: str, password: Callable[[], str]) -> OwnRegistry | None:
    """From the object Cluster; None where the cluster has no registry, or says nothing usable of it."""
    told = spec.get("registry")
    if not isinstance(told, Mapping) or not told.get("address"):
        return None
    try:
        authority = base64.b64decode(told.get("caData") or "", validate=True).decode()
        certificate = base64.b64decode(told.get("tokenCertificateData") or "", validate=True)
    except (binascii.Error, UnicodeDecodeError):
        return None
    address = str(told["address"])
    return OwnRegistry(
        address=address,
        names=frozenset({address, *(str(name) for name in told.get("aliases") or ())}),
        authority=authority,
        token_certificate=certificate,
        mirrors={str(host): str(mirror) for host, mirror in (told.get("mirrors") or {}).items()},
        token_url=server.rstrip("/") + str(told.get("tokenPath") or ""),
        user=NODE_PREFIX + node,
        password=password,
    )


def remember(settings: Settings) -> None:
    """How this agent reaches its control plane, for `of_home`: no secret, but where the credential is."""
    file = settings.credential_file
    fields = {
        "server": settings.server,
        "nodeName": settings.node_name,
        "credentialFile": str(file.absolute()) if file is not None else "",
    }
    config.write_private(settings.home / _REACHED, json.dumps(fields) + "\n")


def of_home(home: Path) -> OwnRegistry | None:
    """As the agent with this home knew it last, for commands beside it. None: no agent ran here, or there is no registry."""
    try:
        reached = json.loads((home / _REACHED).read_text())
        server, node, file = (str(reached[name]) for name in ("server", "nodeName", "credentialFile"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    credential = Credential(Path(file) if file else None)
    for wire in checkpoint.cluster_of(home):
        if wire["kind"] == "Cluster":
            return read(wire.get("spec") or {}, server=server, node=node, password=lambda: credential.token)
    return None


class RegistryConsumer:
    """Tells the image store of the cluster's registry, now and whenever it changes."""

    name = "registry"
    kinds = frozenset({"Cluster"})

    def __init__(
        self, settings: Settings, use: Callable[[OwnRegistry | None], None], password: Callable[[], str]
    ) -> None:
        self._settings, self._use, self._password = settings, use, password
        self._remembered = False

    async def watch(self, poke: Callable[[], None]) -> None:
        return

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        if not self._remembered:
            await asyncio.to_thread(self._remember)
        cluster = view.get("Cluster", "", "cluster") or {}
        settings = self._settings
        own = read(cluster.get("spec") or {}, server=settings.server, node=settings.node_name, password=self._password)
        self._use(own)

    def _remember(self) -> None:
        try:
            remember(self._settings)
            self._remembered = True
        except OSError as error:  # only commands beside the agent need it
            log.warning("how the control plane is reached cannot be written down: %s", error)
