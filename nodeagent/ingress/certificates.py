"""Certificates as haproxy reads them: one PEM file with the chain and the key."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schema.base import Wire

_LIFE = timedelta(days=3650)


def from_secret(secret: Wire | None) -> bytes:
    """The file for a Secret of type kubernetes.io/tls. Raises ValueError with the reason, never with the contents."""
    if secret is None:
        raise ValueError("the Secret does not exist (yet)")
    data = secret.get("data") or {}
    missing = [key for key in ("tls.crt", "tls.key") if not data.get(key)]
    if missing:
        raise ValueError(f"the Secret has no {' and no '.join(missing)}")
    try:
        chain, key = (base64.b64decode(data[key], validate=True) for key in ("tls.crt", "tls.key"))
        certificate = x509.load_pem_x509_certificate(chain)
        private = serialization.load_pem_private_key(key, None)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("tls.crt or tls.key cannot be read: both must be PEM, the key without a password") from None
    if _public(private.public_key()) != _public(certificate.public_key()):
        raise ValueError("tls.key does not belong to tls.crt")
    return chain.rstrip(b"\n") + b"\n" + key


def _public(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def self_signed(host: str) -> bytes:
    """For hosts that nobody has given a certificate: browsers will say that it is not to be trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM) + pem
