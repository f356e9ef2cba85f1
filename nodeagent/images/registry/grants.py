"""Words of the control plane that a node may pull from a repository of the cluster's own registry (pure).

JWTs of its token service for the audience of nodes: the registry takes none of them, and no node takes another's.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

AUDIENCE = "slipway-peers"
_LEEWAY_SECONDS = 60
_COORDINATE_BYTES = 32


def allows(token: str, certificate: bytes, *, subject: str, repository: str, now: float) -> bool:
    """``certificate``: DER, of the token service. ``repository``: without a host."""
    try:
        head, claims_part, signature = token.split(".")
        claims = json.loads(_decoded(claims_part))
        access = claims["access"]
        is_right = (
            claims["aud"] == AUDIENCE
            and claims["sub"] == subject
            and int(claims["nbf"]) - _LEEWAY_SECONDS <= now < int(claims["exp"]) + _LEEWAY_SECONDS
            and any(_is_pull(one, repository) for one in access)
        )
        return is_right and _is_signed(f"{head}.{claims_part}".encode(), _decoded(signature), certificate)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError):
        return False


def _is_pull(one: Any, repository: str) -> bool:
    return bool(one["type"] == "repository" and one["name"] == repository and "pull" in one["actions"])


def _is_signed(data: bytes, signature: bytes, certificate: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    key = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 2 * _COORDINATE_BYTES:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
