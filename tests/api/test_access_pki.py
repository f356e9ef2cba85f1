"""The certificates are what strict clients accept, and change only when they must."""

from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controlplane.access import pki


def _certificate(path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


async def _handshake(files: pki.PkiFiles, *, hostname: str) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(files.server_certificate, files.server_key)
    client_side = ssl.create_default_context(cafile=str(files.ca_certificate))
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side, server_hostname=hostname)
        writer.close()
    finally:
        server.close()


@pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1", "::1", "10.1.2.3", "slip.example"])
async def test_a_strict_client_accepts_every_name(tmp_path, hostname):
    await _handshake(pki.ensure(tmp_path, hosts=["10.1.2.3", "slip.example"]), hostname=hostname)


async def test_a_strict_client_refuses_a_name_that_was_not_given(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(pki.ensure(tmp_path, hosts=[]), hostname="slip.example")


def test_a_second_call_changes_nothing(tmp_path):
    files = pki.ensure(tmp_path, hosts=["a.example"])
    before = [path.read_bytes() for path in (files.ca_certificate, files.server_certificate, files.server_key)]
    pki.ensure(tmp_path, hosts=["a.example"])
    assert before == [path.read_bytes() for path in (files.ca_certificate, files.server_certificate, files.server_key)]


def test_a_new_host_renews_the_server_certificate_under_the_same_authority(tmp_path):
    files = pki.ensure(tmp_path, hosts=[])
    authority, server = files.ca_certificate.read_bytes(), files.server_certificate.read_bytes()
    pki.ensure(tmp_path, hosts=["new.example"])
    assert files.ca_certificate.read_bytes() == authority
    assert files.server_certificate.read_bytes() != server


def test_it_renews_before_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(pki, "SERVER_LIFE", timedelta(days=20))
    files = pki.ensure(tmp_path, hosts=[])
    monkeypatch.undo()
    assert _certificate(files.server_certificate).not_valid_after_utc < datetime.now(UTC) + timedelta(days=21)
    pki.ensure(tmp_path, hosts=[])
    assert _certificate(files.server_certificate).not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


@pytest.mark.parametrize("victim", ["server.key", "server.crt"])
@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_broken_server_file_is_replaced(tmp_path, victim, content):
    files = pki.ensure(tmp_path, hosts=[])
    (tmp_path / "pki" / victim).write_bytes(content)
    pki.ensure(tmp_path, hosts=[])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.server_certificate, files.server_key)


def test_another_authority_makes_another_server_certificate(tmp_path):
    files = pki.ensure(tmp_path, hosts=[])
    (tmp_path / "pki" / "ca.crt").unlink()
    pki.ensure(tmp_path, hosts=[])
    _certificate(files.server_certificate).verify_directly_issued_by(_certificate(files.ca_certificate))


def test_keys_are_readable_by_their_owner_only(tmp_path):
    pki.ensure(tmp_path, hosts=[])
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "pki" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("shop.example", False),
        ("control.example", True),
        ("Control.Example.", True),
        ("*.example", True),
        ("*.other.example", False),
        ("sub.control.example", False),
        ("localhost", True),
        ("192.0.2.1", True),
        ("203.0.113.9", True),
    ],
)
def test_the_authority_signs_for_no_other_server_with_a_name_of_the_control_plane(tmp_path, host, refused):
    pki.ensure(tmp_path, hosts=["control.example", "192.0.2.1"])
    try:
        pki.issue(tmp_path, [host])
    except pki.Reserved:
        assert refused
    else:
        assert not refused
