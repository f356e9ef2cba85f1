"""Seals what must not be readable in the database file or a backup of it.

A sealed text is ``sealed:1:<key id>:<base64 of nonce and ciphertext>``: AES-256-GCM under a key derived from
``settings.ENCRYPTION_KEY``. The context (which object, which column) is authenticated with it, so that one row's
ciphertext is worthless in another. To rotate, set the new key as ``SLIPWAY_ENCRYPTION_KEY`` and the old one among
``SLIPWAY_PREVIOUS_ENCRYPTION_KEYS`` (comma-separated): old texts stay readable, each write seals with the new key, and
``manage.py reseal`` rewrites the rest.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PREFIX = "sealed:1:"
_NONCE_BYTES = 12


class UnsealError(Exception):
    """The text was altered, belongs elsewhere, or its key is not among the settings."""


@dataclass(frozen=True)
class Key:
    secret: bytes

    @cached_property
    def id(self) -> str:
        return hashlib.sha256(b"slipway key id\0" + self.secret).hexdigest()[:8]

    @cached_property
    def cipher(self) -> AESGCM:
        # Imported late: cryptography costs several megabytes, and most processes never touch a Secret.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hashlib.sha256(b"slipway secrets at rest\0" + self.secret).digest())


@cache
def _key(text: str) -> Key:
    return Key(text.encode())


def _current() -> Key:
    return _key(settings.ENCRYPTION_KEY)


def _by_id(identifier: str) -> Key:
    for text in (settings.ENCRYPTION_KEY, *settings.PREVIOUS_ENCRYPTION_KEYS):
        if _key(text).id == identifier:
            return _key(text)
    raise UnsealError(f"no key {identifier}: add the former key to SLIPWAY_PREVIOUS_ENCRYPTION_KEYS")


def seal(plain: bytes, context: str) -> str:
    key = _current()
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + key.cipher.encrypt(nonce, plain, context.encode())
    return f"{PREFIX}{key.id}:{base64.b64encode(sealed).decode()}"


def unseal(text: str, context: str) -> bytes:
    from cryptography.exceptions import InvalidTag

    if not text.startswith(PREFIX):
        raise UnsealError("not a sealed text")
    identifier, _, encoded = text.removeprefix(PREFIX).partition(":")
    sealed = base64.b64decode(encoded)
    try:
        return _by_id(identifier).cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except InvalidTag:
        raise UnsealError(f"{context}: altered, or moved here from elsewhere") from None


def is_current(text: str) -> bool:
    """Whether the newest key sealed it."""
    return text.startswith(f"{PREFIX}{_current().id}:")
