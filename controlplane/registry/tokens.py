"""Tokens that the registry accepts: JWTs as distribution's token specification has them, signed by `keys`.

What `issue` returns can be used in three ways, for as long as it lives and for nothing but what it names:

* as it is, ``Authorization: Bearer …`` to the registry;
* as ``identitytoken`` of a login file (`auth.json`): buildah, podman and skopeo exchange it at the token service;
* as the password of any user name, in the same way.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from django.conf import settings

from controlplane.registry import keys, leases
from controlplane.registry.scopes import PUSH, Scope
from schema import meta

ISSUER = "slipway"
SERVICE = "slipway-registry"
CACHE_SERVICE = "slipway-cache"
"""Of the pull-through caches, which any user and node may pull from."""
PEER_SERVICE = "slipway-peers"
"""Of the nodes: one shows another that its pods may pull. The registry takes no such token."""
LIFE = timedelta(seconds=120)
"""Of tokens for one request or a few: clients come again by themselves. A right that was taken away ends with it."""
LONGEST = timedelta(hours=12)
_COORDINATE_BYTES = 32


@dataclass(frozen=True)
class Grant:
    """What a token that came back says, once its signature and its end were checked."""

    subject: str
    access: tuple[Scope, ...]
    left: timedelta

    def actions(self, type_: str, name: str) -> tuple[str, ...]:
        return tuple(action for one in self.access if (one.type, one.name) == (type_, name) for action in one.actions)


def issue(subject: str, access: Iterable[tuple[str, Iterable[str]]], lifetime: timedelta) -> str:
    """For parts of the system that act for somebody, such as a build: ``issue("build default/web-1", [("default/web",
    ["pull", "push"])], timedelta(minutes=30))``. Whoever calls this has checked that they may."""
    if not timedelta(0) < lifetime <= LONGEST:
        raise ValueError(f"a token lives more than 0 and at most {LONGEST}")
    granted = [Scope("repository", repository, tuple(actions)) for repository, actions in access]
    return sign(subject, granted, service=SERVICE, life=lifetime)


def sign(subject: str, granted: Sequence[Scope], *, service: str, life: timedelta) -> str:
    """A token; where it lets push, the repository's lease is taken first."""
    for one in granted:
        if one.type == "repository" and PUSH in one.actions and service == SERVICE:
            leases.take(one.name, life)
    signer = keys.signer(settings.HOME)
    now = int(meta.now().timestamp())
    claims = {
        "iss": ISSUER,
        "sub": subject,
        "aud": service,
        "nbf": now - 10,
        "iat": now,
        "exp": now + int(life.total_seconds()),
        "jti": secrets.token_urlsafe(12),
        "access": [one.wire() for one in granted],
    }
    head = {"typ": "JWT", "alg": "ES256", "x5c": [signer.x5c]}
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
    r, s = decode_dss_signature(signer.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")
    return f"{signed}.{_base64url(signature)}"


def looks_like_one(text: str) -> bool:
    return text.startswith("eyJ") and text.count(".") == 2


def read(token: str) -> Grant | None:
    """What a token of ours grants; None for one that is not ours, was changed, or has ended. The header is not looked at:
    there is one key and one algorithm."""
    try:
        head, claims_part, signature_part = token.split(".")
        signature = _from_base64url(signature_part)
        claims: dict[str, Any] = json.loads(_from_base64url(claims_part))
        if len(signature) != 2 * _COORDINATE_BYTES:
            return None
        r, s = (int.from_bytes(half, "big") for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
        public = keys.signer(settings.HOME).key.public_key()
        public.verify(encode_dss_signature(r, s), f"{head}.{claims_part}".encode(), ec.ECDSA(hashes.SHA256()))
        left = timedelta(seconds=int(claims["exp"]) - meta.now().timestamp())
        access = tuple(Scope(one["type"], one["name"], tuple(one["actions"])) for one in claims["access"])
    except (ValueError, KeyError, TypeError, binascii.Error, InvalidSignature, UnicodeError):
        return None
    if left <= timedelta(0) or claims.get("iss") != ISSUER or claims.get("aud") != SERVICE:
        return None
    return Grant(str(claims.get("sub")), access, left)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
