"""What a registry asks for before it answers, and what to say to it: challenges, Basic, bearer tokens.

distribution's token specification: 401 with ``WWW-Authenticate: Bearer realm=…,service=…,scope=…``; the realm gives a
token for the scope, to nobody in particular, to a name and password, or to an identity token (OAuth2 refresh).
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from nodeagent.facilities import Credentials

_PARAMETER = re.compile(r'([a-zA-Z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SHORTEST_SECONDS = 60
_CLIENT_ID = "slipway"


@dataclass(frozen=True)
class Challenge:
    """``scheme`` is lower case: ``basic`` or ``bearer``."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")


def parse_challenges(headers: list[str]) -> list[Challenge]:
    """Of all ``WWW-Authenticate`` headers, one challenge each (registries send no lists)."""
    found = []
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        parameters = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _PARAMETER.finditer(rest)}
        found.append(Challenge(scheme.lower(), parameters))
    return found


def basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


@dataclass(frozen=True)
class TokenRequest:
    """One HTTP request to a realm."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str = field(default="", repr=False)


def token_request(challenge: Challenge, scope: str, credentials: Credentials | None) -> TokenRequest:
    fields = {"service": challenge.parameters.get("service", ""), "scope": challenge.parameters.get("scope") or scope}
    fields = {key: value for key, value in fields.items() if value}
    if credentials is not None and credentials.identity_token:
        body = urlencode(
            {
                **fields,
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "refresh_token": credentials.identity_token,
            }
        )
        return TokenRequest("POST", challenge.realm, {"Content-Type": "application/x-www-form-urlencoded"}, body)
    joint = "&" if "?" in challenge.realm else "?"
    headers = {"Authorization": basic(credentials)} if credentials is not None and credentials.username else {}
    return TokenRequest("GET", challenge.realm + joint + urlencode(fields), headers)


@dataclass(frozen=True)
class Token:
    value: str = field(repr=False)
    expires_at: float
    """On the monotonic clock."""

    @property
    def header(self) -> str:
        return f"Bearer {self.value}"

    def is_fresh(self) -> bool:
        return time.monotonic() < self.expires_at


def read_token(answer: Mapping[str, Any]) -> Token | None:
    """None where the answer holds no token. Ten seconds are taken off its life for the way."""
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        return None
    seconds = answer.get("expires_in")
    seconds = seconds if isinstance(seconds, int) and seconds > _SHORTEST_SECONDS else _SHORTEST_SECONDS
    return Token(value, time.monotonic() + seconds - 10)
