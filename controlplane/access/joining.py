"""Join tokens: what a host shows to become a node. A bounded life, a bounded number of uses, revocable.

A token is ``<id>.<secret>``. The id finds the row; the secret, 256 random bits, is compared by its digest in constant
time. A use is counted by one conditional UPDATE, so a token for one host lets one host in, however many try at once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q
from django.utils import timezone

from controlplane.access.errors import InvalidName, JoinRefused
from controlplane.access.models import JoinToken

DEFAULT_LIFE = timedelta(hours=24)
LONGEST_LIFE = timedelta(days=365)
_TOKEN = re.compile(r"([a-z0-9]{10})\.([A-Za-z0-9_-]{43})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_NOBODY = bytes(32)


@dataclass(frozen=True)
class Created:
    token: str
    """Shown now and never again."""
    record: JoinToken


def create(
    *, life: timedelta = DEFAULT_LIFE, uses: int | None = None, description: str = "", created_by: str = ""
) -> Created:
    """Raises `InvalidName` for a life or a count that cannot be."""
    if not timedelta(0) < life <= LONGEST_LIFE:
        raise InvalidName(f"a join token lives longer than 0 s and at most {LONGEST_LIFE.days} days")
    if uses is not None and not 0 < uses < 2**31:
        raise InvalidName("a join token is for at least one host")
    now = timezone.now()
    JoinToken.objects.filter(expires__lt=now - timedelta(days=1)).delete()
    identifier = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    secret = secrets.token_urlsafe(32)
    record = JoinToken.objects.create(
        id=identifier,
        digest=_digest(secret),
        description=description[:253],
        created_by=created_by[:253],
        expires=now + life,
        uses=uses,
    )
    return Created(f"{identifier}.{secret}", record)


def present() -> Sequence[JoinToken]:
    """Those that a host could join with now."""
    usable = Q(uses__isnull=True) | Q(used__lt=F("uses"))
    return list(JoinToken.objects.filter(usable, revoked=False, expires__gt=timezone.now()).order_by("created"))


def revoke(identifier: str) -> bool:
    """Whether there was such a token. The whole token is taken for its id as well."""
    return JoinToken.objects.filter(id=identifier.partition(".")[0], revoked=False).update(revoked=True) > 0


def check(token: str) -> JoinToken:
    """The token, if a host may join with it now; counts nothing. Raises `JoinRefused` (401, 403)."""
    match = _TOKEN.fullmatch(token)
    found = JoinToken.objects.filter(id=match[1]).first() if match else None
    # Compared even where there is nothing to compare with: the answer takes as long.
    same = hmac.compare_digest(_digest(match[2] if match else ""), bytes(found.digest) if found else _NOBODY)
    if found is None or not same:
        raise JoinRefused(401, "this join token is not known here: it is mistyped, or expired long ago")
    if found.revoked:
        raise JoinRefused(401, f"join token {found.id} was revoked; ask for a new one (manage.py join-token)")
    if found.expires <= timezone.now():
        raise JoinRefused(
            401, f"join token {found.id} expired at {found.expires:%Y-%m-%d %H:%M:%S} UTC; ask for a new one"
        )
    if found.uses is not None and found.used >= found.uses:
        raise _used_up(found)
    return found


def use(record: JoinToken) -> None:
    """Count one host. Raises `JoinRefused` if others were faster, or the token was revoked meanwhile."""
    usable = JoinToken.objects.filter(
        Q(uses__isnull=True) | Q(used__lt=F("uses")), id=record.id, revoked=False, expires__gt=timezone.now()
    )
    if not usable.update(used=F("used") + 1):
        raise _used_up(record)


def _used_up(record: JoinToken) -> JoinRefused:
    hosts = "one host" if record.uses == 1 else f"{record.uses} hosts"
    return JoinRefused(403, f"join token {record.id} was for {hosts} and is used up; ask for a new one")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
