"""Our own certificate authority, and the server certificate that it signs.

`ensure` runs at every start of the control plane and is idempotent: what is there and good stays. The authority is made
once and lives ten years, because every kubeconfig and every agent carries it; the server certificate is made anew when
it comes within a month of its end, when a host is missing from it, or when it does not belong to its key or authority.

The extensions are those that a strict X.509 check asks for (RFC 5280, as Python's default context does since 3.13):
basicConstraints and keyUsage with keyCertSign on the authority, key identifiers on both.
"""

from __future__ import annotations

import fcntl
import ipaddress
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from controlplane.access.files import write_private

AUTHORITY_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)
CLOCK_SKEW = timedelta(hours=1)
"""Certificates start this long ago, so that a client whose clock is late accepts them."""
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class PkiFiles:
    ca_certificate: Path
    server_certificate: Path
    server_key: Path


@dataclass(frozen=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure(home: Path, *, hosts: Sequence[str]) -> PkiFiles:
    """The files under ``home/pki``, made or renewed as needed. ``hosts`` are names and addresses clients may use."""
    directory = home / "pki"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(directory / ".lock"):
        authority = _ensure_authority(directory)
        _ensure_server(directory, authority, _subject_alternative_names([*LOCAL_HOSTS, *hosts]))
    return PkiFiles(directory / "ca.crt", directory / "server.crt", directory / "server.key")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two starts at once must not each make an authority."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class NoAuthority(Exception):
    """This process has no access to the authority's key."""


class Reserved(Exception):
    """A name by which agents and clients know the control plane: who else had a certificate for it could pass for it."""


def issue(home: Path, hosts: Sequence[str]) -> tuple[bytes, bytes]:
    """A new certificate for servers with these names, signed by the authority of ``home``: (chain, key), both PEM. Raises
    `Reserved`, `NoAuthority`."""
    authority = _read(home / "pki" / "ca.crt", home / "pki" / "ca.key")
    if authority is None:
        raise NoAuthority(f"there is no certificate authority in {home / 'pki'}")
    own = _names_of(home / "pki" / "server.crt")
    for host in hosts:
        if _is_address(host) or any(_covers(host, name) for name in own):
            raise Reserved(
                f"{host} is a name of the control plane, or may be; its authority signs for no other server there"
            )
    pair = _make_server(authority, _subject_alternative_names(hosts))
    key = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pair.certificate.public_bytes(serialization.Encoding.PEM), key


def _names_of(certificate: Path) -> set[str]:
    """Those of the control plane's own certificate, and those that every host has."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        present = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return set(LOCAL_HOSTS)
    return {*LOCAL_HOSTS, *(name.lower() for name in present.get_values_for_type(x509.DNSName))}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _covers(host: str, name: str) -> bool:
    """Whether a certificate for ``host``, which may be a wildcard, is good for ``name``."""
    plain = host.lower().rstrip(".")
    return plain == name or (plain.startswith("*.") and name.partition(".")[2] == plain[2:])


def good_until(chain: bytes, hosts: Sequence[str]) -> datetime | None:
    """When a certificate that `issue` made is to be made anew; None: at once, since it is not for all of these names."""
    end = ends(chain, hosts)
    return None if end is None else end - RENEW_BEFORE


def two_thirds(chain: bytes, hosts: Sequence[str]) -> datetime | None:
    """As `good_until`, of one that others made and that may live shortly: when two thirds of its life are over."""
    end = ends(chain, hosts)
    if end is None:
        return None
    return end - (end - x509.load_pem_x509_certificate(chain).not_valid_before_utc) / 3


def ends(chain: bytes, hosts: Sequence[str]) -> datetime | None:
    """When the first certificate of the chain ends; None: it cannot be read, or is not for all of these names."""
    try:
        certificate = x509.load_pem_x509_certificate(chain)
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    wanted = set(_subject_alternative_names(hosts))
    return certificate.not_valid_after_utc if wanted <= set(present) else None


def _ensure_authority(directory: Path) -> _Pair:
    pair = _read(directory / "ca.crt", directory / "ca.key")
    if pair is not None and pair.certificate.not_valid_after_utc > datetime.now(UTC) + RENEW_BEFORE:
        return pair
    pair = _make_authority()
    _write(pair, directory / "ca.crt", directory / "ca.key")
    return pair


def _ensure_server(directory: Path, authority: _Pair, names: Sequence[x509.GeneralName]) -> None:
    certificate, key = directory / "server.crt", directory / "server.key"
    pair = _read(certificate, key)
    if pair is None or not _still_good(pair.certificate, authority.certificate, names):
        _write(_make_server(authority, names), certificate, key)


def _still_good(certificate: x509.Certificate, authority: x509.Certificate, names: Sequence[x509.GeneralName]) -> bool:
    if certificate.not_valid_after_utc < datetime.now(UTC) + RENEW_BEFORE:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
        present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(names) <= set(present)


def _subject_alternative_names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys(hosts):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host.encode("idna").decode() if not host.isascii() else host))
    return names


def _make_authority() -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    # The random part keeps the authorities of two instances apart in a browser's or system's store.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Slipway CA {secrets.token_hex(4)}")])
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _make_server(authority: _Pair, names: Sequence[x509.GeneralName]) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slipway")])
    issuer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(name, authority.certificate.subject, key.public_key(), SERVER_LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    start = datetime.now(UTC) - CLOCK_SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _read(certificate: Path, key: Path) -> _Pair | None:
    """The pair if both files are there, whole, and belong together."""
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        pair = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or pair.public_key() != loaded.public_key():
        return None
    return _Pair(pair, loaded)


def _write(pair: _Pair, certificate: Path, key: Path) -> None:
    """The key first: a crash between the two leaves a pair that does not match, which the next start replaces."""
    pem = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(key, pem)
    write_private(certificate, pair.certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
