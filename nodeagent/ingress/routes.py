"""Which requests lead where: Ingress objects, services and certificates, resolved into one table. Pure.

Where two Ingresses claim the same host and path, the older one has it (by creation time, then by name), so that a newcomer
cannot take another's traffic. A host's certificate follows the same rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schema.base import Wire
from schema.networking.ingress import (
    ACME_ACCOUNT,
    CONTROLLER,
    PROXY_PROTOCOL,
    PROXY_PROTOCOLS,
    secret_name,
    tls_hosts,
)

SSL_REDIRECT = "slipway.dev/ssl-redirect"
BACKEND_PROTOCOL = "slipway.dev/backend-protocol"
EVERY_HOST = "*"
PROTOCOLS = ("HTTP", "HTTPS", "H2C")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, order=True)
class Backend:
    """A port of a service. ``servers`` are (address, port): the service's own address, or its endpoints' if it is headless."""

    namespace: str
    service: str
    port: int
    protocol: str = "HTTP"
    servers: tuple[tuple[str, int], ...] = ()
    proxy: str = ""
    """Version of the PROXY protocol that tells it of the client: v1, v2 or none."""

    @property
    def name(self) -> str:
        told = f":proxy-{self.proxy}" if self.proxy else ""
        return f"{self.namespace}:{self.service}:{self.port}:{self.protocol.lower()}{told}"


@dataclass(frozen=True)
class Site:
    """A host (``example.org``, ``*.example.org`` or ``*``): where its paths lead."""

    exact: Mapping[str, Backend | None]
    prefixes: Mapping[str, Backend | None]
    """Without the / at the end. None: the service or its port does not exist."""
    default: Backend | None = None
    redirect: bool = False
    """Plain HTTP is sent to HTTPS."""


@dataclass(frozen=True)
class Certificate:
    hosts: tuple[str, ...]
    secret: Key


@dataclass
class Table:
    sites: dict[str, Site] = field(default_factory=dict)
    certificates: list[Certificate] = field(default_factory=list)

    @property
    def backends(self) -> list[Backend]:
        found: set[Backend] = set()
        for site in self.sites.values():
            found.update(one for one in (*site.exact.values(), *site.prefixes.values(), site.default) if one)
        return sorted(found)


@dataclass
class _Draft:
    exact: dict[str, Backend | None] = field(default_factory=dict)
    prefixes: dict[str, Backend | None] = field(default_factory=dict)
    default: Backend | None = None
    redirect: bool = False


def served(ingresses: Iterable[Wire], classes: Iterable[Wire]) -> list[Wire]:
    """The Ingresses of our classes, oldest first."""
    names = {one["metadata"]["name"] for one in classes if (one.get("spec") or {}).get("controller") == CONTROLLER}
    ours = [one for one in ingresses if (one.get("spec") or {}).get("ingressClassName") in names]
    return sorted(ours, key=_age)


def acme_account(classes: Iterable[Wire]) -> str:
    """The thumbprint with which HTTP-01 challenges are answered; empty: they are not."""
    for one in classes:
        found = (one["metadata"].get("annotations") or {}).get(ACME_ACCOUNT, "")
        if (one.get("spec") or {}).get("controller") == CONTROLLER and _THUMBPRINT.fullmatch(found):
            return str(found)
    return ""


def _age(ingress: Wire) -> tuple[str, str, str]:
    metadata = ingress["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["namespace"], metadata["name"]


def table(ingresses: Sequence[Wire], services: Mapping[Key, Wire], endpoints: Mapping[Key, Sequence[Wire]]) -> Table:
    """``ingresses``: those `served`; ``endpoints``: the EndpointSlices of each service."""
    drafts: dict[str, _Draft] = {}
    result = Table()
    secured: set[str] = set()
    for ingress in ingresses:
        _Reader(ingress, services, endpoints, drafts).read()
        _certificates(ingress, secured, result)
    fallback = drafts.get(EVERY_HOST, _Draft()).default
    for host, draft in sorted(drafts.items()):
        result.sites[host] = Site(draft.exact, draft.prefixes, draft.default or fallback, draft.redirect)
    return result


def _certificates(ingress: Wire, secured: set[str], result: Table) -> None:
    metadata, spec = ingress["metadata"], ingress["spec"]
    for entry in spec.get("tls") or ():
        fresh = tuple(host for host in dict.fromkeys(tls_hosts(spec, entry)) if host not in secured)
        secured.update(fresh)
        if fresh:
            result.certificates.append(
                Certificate(fresh, (metadata["namespace"], secret_name(metadata["name"], entry)))
            )


class _Reader:
    """One Ingress into the drafts of its hosts."""

    def __init__(
        self,
        ingress: Wire,
        services: Mapping[Key, Wire],
        endpoints: Mapping[Key, Sequence[Wire]],
        drafts: dict[str, _Draft],
    ) -> None:
        self._spec: Wire = ingress["spec"]
        self._namespace: str = ingress["metadata"]["namespace"]
        annotations = ingress["metadata"].get("annotations") or {}
        word = str(annotations.get(BACKEND_PROTOCOL, "HTTP")).upper()
        self._protocol = {"GRPC": "H2C"}.get(word, word if word in PROTOCOLS else "HTTP")
        told = str(annotations.get(PROXY_PROTOCOL, ""))
        self._proxy = told if told in PROXY_PROTOCOLS else ""
        self._may_redirect = annotations.get(SSL_REDIRECT, "true") != "false"
        self._services, self._endpoints, self._drafts = services, endpoints, drafts

    def read(self) -> None:
        rules = self._spec.get("rules") or ()
        own_default = self._backend(self._spec.get("defaultBackend"))
        if own_default is not None and not rules:
            every = self._draft(EVERY_HOST)
            every.default = every.default or own_default
        for rule in rules:
            draft = self._draft(rule.get("host") or EVERY_HOST)
            draft.default = draft.default or own_default
            for entry in (rule.get("http") or {}).get("paths") or ():
                self._path(draft, entry)
        if self._may_redirect:
            for entry in self._spec.get("tls") or ():
                for host in tls_hosts(self._spec, entry):
                    if host in self._drafts:
                        self._drafts[host].redirect = True

    def _draft(self, host: str) -> _Draft:
        return self._drafts.setdefault(host, _Draft())

    def _path(self, draft: _Draft, entry: Wire) -> None:
        path, backend = str(entry.get("path") or "/"), self._backend(entry.get("backend"))
        if entry.get("pathType") == "Exact":
            draft.exact.setdefault(path, backend)
        else:
            draft.prefixes.setdefault(path.rstrip("/"), backend)

    def _backend(self, backend: Wire | None) -> Backend | None:
        wanted = (backend or {}).get("service")
        if not wanted:
            return None
        service = self._services.get((self._namespace, wanted["name"]))
        port = _port(service, wanted.get("port") or {}) if service else None
        if service is None or port is None:
            return None
        servers = self._servers(service, port)
        return Backend(self._namespace, wanted["name"], int(port["port"]), self._protocol, servers, self._proxy)

    def _servers(self, service: Wire, port: Wire) -> tuple[tuple[str, int], ...]:
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            return ((str(spec.get("externalName", "")), int(port["port"])),)
        if (address := spec.get("clusterIP")) not in (None, "", "None"):
            return ((str(address), int(port["port"])),)
        key = (self._namespace, service["metadata"]["name"])
        found = {
            (str(address), number)
            for piece in self._endpoints.get(key, ())
            for number in _numbers(piece, port)
            for endpoint in piece.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready", True) is not False
            for address in (endpoint.get("addresses") or ())[:1]
        }
        return tuple(sorted(found))


def _port(service: Wire, wanted: Wire) -> Wire | None:
    for port in service["spec"].get("ports") or ():
        if port.get("protocol", "TCP") != "TCP":
            continue
        if wanted.get("name"):
            if port.get("name") == wanted["name"]:
                return _wire(port)
        elif port.get("port") == wanted.get("number"):
            return _wire(port)
    return None


def _wire(port: Any) -> Wire:
    return dict(port)


def _numbers(piece: Wire, port: Wire) -> list[int]:
    return [
        int(one["port"])
        for one in piece.get("ports") or ()
        if one.get("name", "") == port.get("name", "") and one.get("port")
    ]
