"""Who stands at the token service.

A name comes with a password; or with an API token, a node's credential or a token that `tokens.issue` made, as the password.
Tokens may also come alone (OAuth2 ``refresh_token``, which login files call ``identitytoken``). Right passwords are
remembered for as long as right tokens are, since clients come once for each repository and a password costs half a second.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from django.contrib import auth
from django.contrib.auth.models import User
from django.http import HttpRequest

from controlplane.access import authentication, throttle, users
from controlplane.access.errors import Unauthenticated
from controlplane.access.identity import NODE_PREFIX, Identity
from controlplane.access.tokens import CACHE_SECONDS, PREFIX
from controlplane.registry import tokens
from controlplane.registry.tokens import Grant

_MOST_REMEMBERED = 1024
_LONGEST = 8192


@dataclass(frozen=True)
class Caller:
    """An identity with its rights, or what a token of `tokens.issue` grants."""

    name: str
    identity: Identity | None = None
    grant: Grant | None = None


class _Remembered:
    """Right passwords, as keyed digests that mean nothing outside this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, password: str) -> Identity | None:
        with self._lock:
            ends, found = self._known.get(self._digest(name, password), (0.0, None))
        return found if ends > time.monotonic() else None

    def put(self, name: str, password: str, identity: Identity) -> None:
        digest = self._digest(name, password)
        with self._lock:
            self._known[digest] = (time.monotonic() + CACHE_SECONDS, identity)
            self._known.move_to_end(digest)
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._known.clear()

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.new(self._key, f"{name}\0{password}".encode(), hashlib.sha256).digest()


_remembered = _Remembered()
forget = _remembered.clear


def by_header(request: HttpRequest) -> Caller | None:
    """``Authorization: Basic`` or ``Bearer``; None where there is none. Raises `Unauthenticated`, `TooManyFailures`."""
    header = str(request.META.get("HTTP_AUTHORIZATION") or "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        name, password = _pair(value)
        return by_password(request, name, password)
    if scheme.lower() == "bearer":
        return by_token(request, value.strip())
    if header:
        raise Unauthenticated
    return None


def by_password(request: HttpRequest, name: str, password: str) -> Caller:
    if password.startswith(PREFIX) or tokens.looks_like_one(password):
        caller = by_token(request, password)
        # A token says itself whose it is; a name that says otherwise is a mistake somebody should hear of.
        if caller.identity is not None and not hmac.compare_digest(caller.name.encode(), name.encode()):
            raise Unauthenticated
        return caller
    known = _remembered.get(name, password)
    if known is None:
        known = _check_password(request, name, password)
        _remembered.put(name, password, known)
    return Caller(known.name, identity=known)


def by_token(request: HttpRequest, token: str) -> Caller:
    address = str(request.META.get("REMOTE_ADDR", ""))
    if tokens.looks_like_one(token):
        throttle.tokens.check(address)
        grant = tokens.read(token) if len(token) <= _LONGEST else None
        if grant is None:
            throttle.tokens.record(address)
            raise Unauthenticated
        return Caller(grant.subject, grant=grant)
    identity = authentication.identify_bearer(f"Bearer {token}", address)
    return Caller(identity.name, identity=identity)


def _check_password(request: HttpRequest, name: str, password: str) -> Identity:
    """Throttled by `access.backends`. An empty password is nobody's."""
    user = auth.authenticate(request, username=name, password=password) if name and password else None
    if not isinstance(user, User):
        raise Unauthenticated
    return users.identity_of(user)


def _pair(value: str) -> tuple[str, str]:
    """Name and password. RFC 7617 has no colons in names; those of nodes, ``system:node:worker-1``, have two of them, and no
    user's name begins like that."""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
        prefix = NODE_PREFIX if decoded.startswith(NODE_PREFIX) else ""
        name, colon, password = decoded[len(prefix) :].partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Unauthenticated from None
    if not colon or len(value) > 2 * _LONGEST:
        raise Unauthenticated
    return prefix + name, password
