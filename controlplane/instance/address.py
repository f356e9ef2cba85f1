"""By which address others find this control plane, and the line that a joining host needs."""

from __future__ import annotations

import hashlib
import os
import shlex
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path


def outward() -> list[str]:
    """This host's addresses towards the outside. No packet is sent."""
    found = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue
            found.append(str(probe.getsockname()[0]))
    return found


def advertised(environment: Mapping[str, str] = os.environ) -> str:
    """The first name of SLIPWAY_HOSTS, else this host's address towards the outside."""
    given = [name.strip() for name in environment.get("SLIPWAY_HOSTS", "").split(",") if name.strip()]
    return (given or outward() or ["127.0.0.1"])[0]


def server(port: int, environment: Mapping[str, str] = os.environ) -> str:
    host = advertised(environment)
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def ca_hash(certificate: Path) -> str:
    """What a joining host checks the certificate authority by: SHA-256 of the certificate."""
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().strip())
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def join_command(address: str, token: str, certificate: Path) -> str:
    words = ("nodeagent", "join", address, "--token", token, "--ca-hash", ca_hash(certificate))
    return shlex.join(words)
