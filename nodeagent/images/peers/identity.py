"""A node's key for talking to other nodes, with a certificate that it has signed itself.

Nobody vouches for the certificate but the control plane: the node tells it in its session, and it tells the other nodes with
the cluster view. What is no longer there is no longer let in.
"""

from __future__ import annotations

import datetime
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

_YEARS = 20


@dataclass(frozen=True)
class Identity:
    file: Path
    """Key and certificate, PEM, readable by root only."""
    certificate: bytes
    """DER."""


def load_or_make(file: Path, node: str) -> Identity:
    """Kept over restarts: others need not be told anew."""
    if not file.exists():
        _make(file, node)
    text = file.read_text()
    return Identity(file, ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :]))


def _make(file: Path, node: str) -> None:
    # Imported late: it takes a while, and only the first start of an agent needs it.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node[:64])])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=2))  # clocks differ
    certificate = builder.not_valid_after(now + datetime.timedelta(days=365 * _YEARS)).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(private + certificate.public_bytes(serialization.Encoding.PEM))
    fresh.replace(file)
