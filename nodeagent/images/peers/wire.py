"""How nodes talk: TLS 1.3, both ends with their certificates; a line of JSON and a body, answered by the same.

→ {"ask": "blob", "digest": "sha256:…", "start": 0, "length": 912}  and a manifest of 912 bytes
← {"length": 33554432}  and the bytes                               or {"error": "…"}
"""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import Any

LONGEST_LINE = 64 * 1024
CHUNK = 256 * 1024


class PeerFault(Exception):
    """Another node does not answer, refuses, or talks nonsense."""


def server_context(identity: Path) -> ssl.SSLContext:
    """Whom it lets in is added with `trust`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(identity)
    context.num_tickets = 0  # a session that is resumed would outlive a removal from the cluster
    return context


def trust(context: ssl.SSLContext, certificate: bytes) -> None:
    """Raises `ssl.SSLError` for what is no certificate."""
    context.load_verify_locations(cadata=certificate)


def client_context(identity: Path, server: bytes) -> ssl.SSLContext:
    """For the one server that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # it is known by its certificate
    context.load_cert_chain(identity)
    context.load_verify_locations(cadata=server)
    return context


async def read_head(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Raises `PeerFault`."""
    try:
        line = await reader.readuntil(b"\n")
        head = json.loads(line)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, RecursionError, OSError) as error:
        raise PeerFault(f"no proper message ({type(error).__name__})") from None
    if not isinstance(head, dict):
        raise PeerFault("no proper message")
    return head


def head(**fields: Any) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def number(fields: dict[str, Any], name: str, most: int) -> int:
    value = fields.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise PeerFault(f"{name} is {str(value)[:50]!r}")
    return value


def text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise PeerFault(f"{name} is no text")
    return value
