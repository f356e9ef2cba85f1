"""The configuration of haproxy for a table of routes: text only. Pure.

A request's host chooses a site by map look-up (the exact name, else ``*.rest``, else ``*``), and its path a backend by one
look-up of the exact path and one of the longest prefix: what a request costs does not grow with the number of rules. Backends
stand on the services' own addresses, so pods come and go without a change here; only headless services have theirs listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nodeagent.ingress.routes import EVERY_HOST, Backend, Site, Table

ACME_PATH = "/.well-known/acme-challenge/"
_NOWHERE = "no-such-service"
_UNKNOWN = "no-such-host"
_NO_ENDPOINTS = '"the service has no ready endpoints\\n"'


@dataclass(frozen=True)
class Listening:
    """Where the proxy listens, and what it may use."""

    http_port: int = 80
    https_port: int = 443
    addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 - an ingress node is labelled in order to answer
    connections: int = 20_000
    user: str = "haproxy"
    group: str = "haproxy"
    acme_account: str = ""
    """The thumbprint of the account whose challenges are answered; empty: none are."""


@dataclass(frozen=True)
class Files:
    """What is written for haproxy: file name in its directory to content."""

    content: Mapping[str, str]

    @property
    def digest(self) -> str:
        digest = hashlib.sha256()
        for name, text in sorted(self.content.items()):
            digest.update(f"{name}\0{text}\0".encode())
        return digest.hexdigest()


def render(table: Table, listening: Listening, directory: Path, certificates: Mapping[str, tuple[str, ...]]) -> Files:
    """``certificates``: file name in ``directory/certificates`` to the hosts it serves; ``default.pem`` is always there."""
    sites = table.sites
    return Files(
        {
            "haproxy.cfg": _main(table.backends, listening, directory),
            "hosts.map": _lines(f"{host} {host}" for host in sites if host != EVERY_HOST),
            "secure.map": _lines(f"{host} yes" for host, site in sites.items() if site.redirect),
            "exact.map": _lines(
                f"{host}{path} {_name(backend)}" for host, site in sites.items() for path, backend in site.exact.items()
            ),
            "prefix.map": _lines(
                f"{host}{path}/ {_name(backend)}" for host, site in sites.items() for path, backend in _prefixes(site)
            ),
            "certificates.list": _lines(_certificate_lines(directory, certificates)),
        }
    )


def _prefixes(site: Site) -> Iterable[tuple[str, Backend | None]]:
    yield from site.prefixes.items()
    if site.default is not None and "" not in site.prefixes:
        yield "", site.default


def _name(backend: Backend | None) -> str:
    return _NOWHERE if backend is None else backend.name


def _certificate_lines(directory: Path, certificates: Mapping[str, tuple[str, ...]]) -> Iterable[str]:
    yield f"{directory}/certificates/default.pem"
    for file, hosts in sorted(certificates.items()):
        yield f"{directory}/certificates/{file} {' '.join(hosts)}"


def _main(backends: Iterable[Backend], listening: Listening, directory: Path) -> str:
    user = f"    user {listening.user}\n    group {listening.group}\n" if listening.user else ""
    parts = [_GLOBAL.format(directory=directory, connections=listening.connections, user=user)]
    parts += [_frontend(listening, directory), _REFUSALS]
    parts += [_backend(one) for one in backends]
    return "\n".join(parts)


_GLOBAL = """\
# Written by the node agent from the cluster's Ingress objects; changes are overwritten.
global
{user}    maxconn {connections}
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
    ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20
    hard-stop-after 1h
    log stdout format raw local0 notice

defaults
    mode http
    log global
    option redispatch 1
    retries 3
    retry-on conn-failure
    timeout connect 3s
    timeout http-request 15s
    timeout http-keep-alive 60s
    timeout client 120s
    timeout server 120s
    timeout tunnel 1h
    timeout client-fin 30s
"""
_FRONTEND = """\
    # What a client says about itself is not passed on; what we saw of it is.
    http-request del-header ^(x-forwarded-.*|x-real-ip|forwarded)$ -m reg
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Real-IP %[src]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}

    # Such a path means one thing to the prefixes here and another to the service.
    http-request deny deny_status 400 if {{ path,url_dec -m reg (^|/)[.][.]?(/|$) }}
    http-request set-var(txn.host) req.hdr(host),host_only,lower
    http-request set-var(txn.path) path
    http-request set-var(txn.wide) var(txn.host),regsub(^[^.]*,*)
    http-request set-var(txn.site) str(*)
    http-request set-var(txn.site) var(txn.wide) if {{ var(txn.wide),{hosts} -m found }}
    http-request set-var(txn.site) var(txn.host) if {{ var(txn.host),{hosts} -m found }}

    acl challenge path -m beg {acme}
    acl secured var(txn.site),{secure} -m found
    http-request redirect code 308 location https://%[var(txn.host)]{https}%[capture.req.uri] if !{{ ssl_fc }} secured !challenge

    http-request set-var(txn.backend) var(txn.site),concat(,txn.path,/),{prefix}
    http-request set-var(txn.whole) var(txn.site),concat(,txn.path)
    http-request set-var(txn.backend) var(txn.whole),{exact} if {{ var(txn.whole),{exact} -m found }}
{answer}    use_backend %[var(txn.backend)] if {{ var(txn.backend) -m found }}
    default_backend {unknown}
"""
# The answer to HTTP-01 is the token asked for and the account (RFC 8555, 8.3): nothing need be known of the challenge. Who
# answers for a path of his own (another ACME client, behind an Exact path) is not disturbed.
_ACME_ANSWER = """\
    acl token path -m reg ^{acme}[A-Za-z0-9_-]+$
    acl taken var(txn.whole),{exact} -m found
    http-request return status 200 content-type text/plain lf-string "%[path,field(4,/)].{account}" if token !taken
"""
_REFUSALS = f"""\
backend {_UNKNOWN}
    http-request return status 404 content-type text/plain string "no Ingress leads anywhere from this host and path\\n"

backend {_NOWHERE}
    http-request return status 503 content-type text/plain string "the service behind this path, or its port, does not exist\\n"
"""


def _frontend(listening: Listening, directory: Path) -> str:
    lines = ["frontend ingress"]
    for address in listening.addresses:
        for port, tls in ((listening.http_port, ""), (listening.https_port, _tls(directory))):
            lines.append(f"    bind {_at(address, port)}{' v6only' if ':' in address else ''}{tls}")
    https = "" if listening.https_port == 443 else f":{listening.https_port}"
    exact = f"map_str({directory}/exact.map)"
    account = listening.acme_account
    answer = _ACME_ANSWER.format(account=account, acme=ACME_PATH, exact=exact) if account else ""
    rules = _FRONTEND.format(
        answer=answer,
        hosts=f"map_str({directory}/hosts.map)",
        secure=f"map_str({directory}/secure.map)",
        exact=exact,
        prefix=f"map_beg({directory}/prefix.map)",
        https=https,
        acme=ACME_PATH,
        unknown=_UNKNOWN,
    )
    return "\n".join([*lines, rules])


def _tls(directory: Path) -> str:
    return f" ssl crt-list {directory}/certificates.list alpn h2,http/1.1"


def _at(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _backend(backend: Backend) -> str:
    lines = [f"backend {backend.name}", "    balance leastconn"]
    options = {"HTTPS": " ssl verify none alpn h2,http/1.1", "H2C": " proto h2"}.get(backend.protocol, "")
    options += {"v1": " send-proxy", "v2": " send-proxy-v2"}.get(backend.proxy, "")
    lines += [f"    server s{number} {_at(*server)}{options}" for number, server in enumerate(backend.servers)]
    if not backend.servers:
        lines.append(f"    http-request return status 503 content-type text/plain string {_NO_ENDPOINTS}")
    return "\n".join([*lines, ""])


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
