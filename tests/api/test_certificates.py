"""When the certificates in TLS Secrets end: told without their keys, to whoever may list Ingresses."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.api.client import Api

PATH = "/apis/slipway.dev/v1/certificates"
SECRETS = "/api/v1/namespaces/default/secrets"
END = datetime(2031, 5, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def _pair() -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(END - timedelta(days=90))
        .not_valid_after(END)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return {"tls.crt": base64.b64encode(pem).decode(), "tls.key": base64.b64encode(private).decode()}


def _secret(name: str, data: dict[str, str], kind: str = "kubernetes.io/tls") -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "data": data}


def test_when_they_end_is_told_and_never_their_keys(api: Api):
    pair = _pair()
    assert api.post(SECRETS, _secret("shop", pair))[0] == 201
    nonsense = {key: base64.b64encode(b"nonsense").decode() for key in pair}
    assert api.post(SECRETS, _secret("broken", nonsense))[0] == 201
    assert api.post(SECRETS, _secret("other", pair, "Opaque"))[0] == 201
    code, found = api.get(PATH)
    assert code == 200
    assert [item["metadata"]["name"] for item in found["items"]] == ["broken", "shop"]
    assert found["items"][0]["status"] == {"problem": "tls.crt is no certificate"}
    assert found["items"][1]["status"] == {
        "notBefore": "2031-01-31T00:00:00Z",
        "notAfter": "2031-05-01T00:00:00Z",
        "hosts": ["shop.example"],
    }
    assert pair["tls.key"] not in str(found)


def test_who_may_not_list_ingresses_is_refused(api: Api):
    assert Api("").get(PATH)[0] in (401, 403)
    assert api.post(PATH, {})[0] == 405
