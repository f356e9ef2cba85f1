"""The formats of strings and numbers that are checked. Others say something to readers only."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from schema.meta import parse_time
from schema.validation.names import is_address, subdomain_fault

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_MAC = re.compile(
    r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}([:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2})?|([0-9A-Fa-f]{4}\.){2,3}[0-9A-Fa-f]{4}"
)
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?([0-9a-f])[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_DURATION = re.compile(
    r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h|d|w))*|[-+]?0"
)


def _accepts(read: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            read(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _uri(text: str) -> str:
    if not (urlsplit(text).scheme or text.startswith("/")):
        raise ValueError("neither absolute nor rooted")
    return text


def _uuid(version: str = "") -> Callable[[str], bool]:
    def check(text: str) -> bool:
        match = _UUID.fullmatch(text)
        return match is not None and (not version or match[1] == version)

    return check


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_STRINGS: dict[str, Callable[[str], bool]] = {
    "byte": _accepts(_base64),
    "cidr": lambda text: "/" in text and _accepts(lambda given: ipaddress.ip_network(given, strict=False))(text),
    "date": lambda text: len(text) == 10 and _accepts(date.fromisoformat)(text),
    "date-time": _accepts(parse_time),
    "datetime": _accepts(parse_time),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "hostname": lambda text: not subdomain_fault(text.lower()),
    "ipv4": lambda text: is_address(text) and "." in text and ":" not in text,
    "ipv6": lambda text: is_address(text) and ":" in text,
    "mac": lambda text: _MAC.fullmatch(text) is not None,
    "uri": _accepts(_uri),
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
}
_BITS = {"int32": 32, "int64": 64}


def fault(name: str, value: Any) -> str:
    """Why a value has not the format; empty where it has, or where the format says nothing about it."""
    if isinstance(value, str) and name in _STRINGS:
        return "" if _STRINGS[name](value) else f"must be of type {name}"
    if isinstance(value, int) and not isinstance(value, bool) and name in _BITS:
        limit = 1 << (_BITS[name] - 1)
        return "" if -limit <= value < limit else f"must be of type {name}"
    return ""
