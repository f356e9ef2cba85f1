"""The key that signs registry tokens, and the certificate by which the registry knows it.

It is a pair of its own and not signed by the cluster's authority: that one also signs certificates of Ingresses, whose keys
users hold, and the registry accepts whatever the certificates in its ``rootcertbundle`` vouch for.
"""

from __future__ import annotations

import base64
import fcntl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controlplane.access.files import write_private

LIFE = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Signer:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def x5c(self) -> str:
        """As a JWT's header wants it (RFC 7515, 4.1.6)."""
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()


def certificate_path(home: Path) -> Path:
    return home / "pki" / "registry-tokens.crt"


def _key_path(home: Path) -> Path:
    return home / "pki" / "registry-tokens.key"


def ensure(home: Path) -> Signer:
    """The pair below ``home/pki``, made if it is not there, not whole, or near its end. The registry reads the certificate
    when it starts."""
    directory = home / "pki"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        present = _read(home)
        if present is not None and present.certificate.not_valid_after_utc > datetime.now(UTC) + RENEW_BEFORE:
            return present
        made = _make()
        _write(home, made)
    signer.cache_clear()
    return made


@lru_cache(maxsize=2)
def signer(home: Path) -> Signer:
    """For processes that sign: read once."""
    return _read(home) or ensure(home)


def _make() -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Slipway registry tokens")])
    start = datetime.now(UTC) - timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Signer(key, certificate)


def _read(home: Path) -> Signer | None:
    try:
        key = serialization.load_pem_private_key(_key_path(home).read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_path(home).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return Signer(key, certificate)


def _write(home: Path, made: Signer) -> None:
    """The key first: a crash between the two leaves a pair that does not match, which the next start replaces."""
    pem = made.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(_key_path(home), pem)
    write_private(certificate_path(home), made.certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
