"""Bearer tokens: issued once, kept as digests, checked without a query most of the time.

A token is ``slipway_`` and 256 random bits. The database is asked for its SHA-256 by a unique index; what timing could
tell an attacker is about the digest of his guess, not about the token, so the comparison leaks nothing of use.

Each process remembers valid tokens for `CACHE_SECONDS`, so a busy client costs no query per request; a revoked or
expired token stops working within that time everywhere.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from controlplane.access import identity
from controlplane.access.errors import InvalidName
from controlplane.access.files import write_private
from controlplane.access.identity import Identity

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "slipway_"
CACHE_SECONDS = 4.0
CACHE_SIZE = 4096
MAX_TOKEN_LENGTH = 256
_CHUNK = 500
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class _Cache:
    """Digest to identity, bounded, each entry short-lived. Invalid tokens are not remembered: a new one works at once."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes) -> Identity | None:
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None or entry[0] < time.monotonic():
                return None
            return entry[1]

    def has_seen(self, digest: bytes) -> bool:
        """Whether this was valid once, as far as we remember; an entry outlives its short life until it is pushed out."""
        with self._lock:
            return digest in self._entries

    def put(self, digest: bytes, found: Identity, *, life_seconds: float) -> None:
        with self._lock:
            self._entries[digest] = (time.monotonic() + life_seconds, found)
            self._entries.move_to_end(digest)
            while len(self._entries) > CACHE_SIZE:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def authenticate(token: str) -> Identity | None:
    """Who holds this token; None if nobody does, it has expired, or its user was made inactive."""
    known = recall(token)
    if known is not None or not _plausible(token):
        return known
    return _look_up(digest_of(token))


def recall(token: str) -> Identity | None:
    """The answer of `authenticate` where it needs no database; safe to call on an event loop."""
    return _cache.get(digest_of(token)) if _plausible(token) else None


def was_valid(token: str) -> bool:
    """Whether this process has seen the token work: such a holder is no guesser, whatever the address."""
    return _plausible(token) and _cache.has_seen(digest_of(token))


def forget() -> None:
    """Drop what this process remembers, after a change made here."""
    _cache.clear()


def issue_for_user(user: User, name: str, *, expires: datetime | None = None) -> str:
    """A new token, replacing the user's earlier one of that name. It is shown now and never again."""
    from controlplane.access.models import Token

    if not name:
        raise InvalidName("a token needs a name")
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        Token.objects.update_or_create(
            user=user, name=name, defaults={"digest": digest_of(token), "expires": expires, "created": timezone.now()}
        )
    forget()
    return token


def check_node_name(node: str) -> None:
    """Raises `InvalidName`."""
    if not _NODE_NAME.fullmatch(node):
        raise InvalidName(f"{node!r} is no node name: lower case letters, digits, '-' and '.' only")


def issue_for_node(node: str, *, expires: datetime | None = None) -> str:
    """A new token for the node, replacing its earlier ones: a node has one credential."""
    from controlplane.access.models import Token

    check_node_name(node)
    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        Token.objects.filter(node=node).delete()
        Token.objects.create(node=node, name=node, digest=digest_of(token), expires=expires)
    forget()
    return token


def rotate_for_node(node: str, digest: bytes, *, expires: datetime | None, overlap: timedelta) -> str | None:
    """A new token beside the one of that digest, which ends after ``overlap``; None if that one is not the node's any
    more. Others of the node, left from a rotation whose answer was lost, end now."""
    from controlplane.access.models import Token

    token = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        present = Token.objects.filter(node=node, digest=digest).first()
        if present is None:
            return None
        Token.objects.filter(node=node).exclude(pk=present.pk).delete()
        end = timezone.now() + overlap
        if present.expires is None or present.expires > end:
            present.expires = end
            present.save(update_fields=["expires"])
        Token.objects.create(node=node, name=node, node_uid=present.node_uid, digest=digest_of(token), expires=expires)
    forget()
    return token


def node_uid_of(node: str, digest: bytes) -> str | None:
    """The uid of the Node that this credential belongs to, empty if it has registered none yet; None if it is not the
    node's, or no longer. Asks the database: what the cache remembers may have been revoked a moment ago."""
    from controlplane.access.models import Token

    token = Token.objects.filter(node=node, digest=digest).first()
    return None if token is None or _remaining(token.expires) <= timedelta(0) else token.node_uid


def bind_node(node: str, digest: bytes, uid: str) -> None:
    from controlplane.access.models import Token

    Token.objects.filter(node=node, digest=digest, node_uid="").update(node_uid=uid)


def revoke_of_deleted_node(node: str, uid: str) -> None:
    """A host that is joining under the same name at this moment keeps its credential, which belongs to no Node yet."""
    from controlplane.access.models import Token

    if Token.objects.filter(node=node, node_uid=uid).delete()[0]:
        forget()


def ensure_node_file(path: Path, node: str) -> None:
    """See that the file holds a working token of the node; a working one is kept, so a running agent keeps its own."""
    try:
        present = authenticate(path.read_text().strip())
    except (FileNotFoundError, UnicodeDecodeError):
        present = None
    if present is None or present.node != node:
        write_private(path, issue_for_node(node).encode())


def revoke(*, user: User | None = None, name: str = "", node: str = "") -> int:
    """Delete a user's token of that name (all of them without a name) or a node's; the number of tokens deleted."""
    from controlplane.access.models import Token

    if user is None and not node:
        return 0
    chosen = Token.objects.filter(node=node) if node else Token.objects.filter(user=user)
    if name and not node:
        chosen = chosen.filter(name=name)
    count, _ = chosen.delete()
    forget()
    return count


def _plausible(token: str) -> bool:
    """Whether it is worth a hash and a query."""
    return token.startswith(PREFIX) and len(token) <= MAX_TOKEN_LENGTH and token.isascii()


def _look_up(digest: bytes) -> Identity | None:
    from controlplane.access.models import Token
    from controlplane.access.users import identity_of

    token = Token.objects.select_related("user").filter(digest=digest).first()
    if token is None:
        return None
    life = _remaining(token.expires)
    if life <= timedelta(0):
        return None
    if token.user is None:
        found = identity.of_node(token.node)
    elif token.user.is_active:
        found = identity_of(token.user)
    else:
        return None
    _cache.put(digest, found, life_seconds=min(CACHE_SECONDS, life.total_seconds()))
    return found


def _remaining(expires: datetime | None) -> timedelta:
    return timedelta(days=1) if expires is None else expires - timezone.now()


def still_valid(digests: Collection[bytes]) -> set[bytes]:
    """Which of these tokens exist and have not expired: for connections that outlive the check at their start."""
    from controlplane.access.models import Token

    found: set[bytes] = set()
    ordered = list(digests)
    for start in range(0, len(ordered), _CHUNK):
        tokens = Token.objects.filter(digest__in=ordered[start : start + _CHUNK])
        found |= {bytes(token.digest) for token in tokens if _remaining(token.expires) > timedelta(0)}
    return found
