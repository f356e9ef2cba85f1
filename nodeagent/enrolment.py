"""What a host says to the control plane outside a session: fetch the authority, join, renew. Plain HTTPS, blocking.

The authority comes over a connection that proves nothing, and is believed only because its hash is the one that the
administrator pasted (as kubeadm's discovery does). Nothing secret is sent before that.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nodeagent.errors import AgentError

TIMEOUT_SECONDS = 20.0
MAX_BYTES = 1024 * 1024
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class EnrolmentError(AgentError):
    """``code`` is the HTTP status of the refusal; 0 where there was no answer to trust."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(EnrolmentError):
    pass


def check_server(server: str) -> str:
    """The address as it is used from then on. Raises `EnrolmentError`."""
    try:
        parts = urlsplit(server if "://" in server else f"https://{server}")
        port = parts.port or 6443
    except ValueError as error:
        raise EnrolmentError(f"{server!r} is no address of a control plane: {error}") from None
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query:
        raise EnrolmentError(f"{server!r} is no address of a control plane: it looks like https://HOST:6443")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{port}"


def check_hash(ca_hash: str) -> str:
    lowered = ca_hash.strip().lower()
    if not _HASH.fullmatch(lowered):
        raise EnrolmentError("--ca-hash: it looks like sha256: and 64 hexadecimal digits")
    return lowered


def fetch_authority(server: str, ca_hash: str) -> str:
    """The authority's certificate (PEM) if its hash is ``ca_hash``, and nothing that came with it: what else the answer may
    hold is not trusted. Raises `EnrolmentError`."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE  # the hash is what is verified, below
    certificate = decode_certificate(_request(server, "GET", "/agent/v1/ca", unverified).decode(errors="replace"))
    found = hash_of(certificate)
    if not hmac.compare_digest(found.encode(), ca_hash.encode()):
        raise EnrolmentError(
            f"the certificate authority of {server} is not the one that was asked for: its hash is {found}, --ca-hash "
            f"says {ca_hash}. Either the line was copied wrongly, or somebody stands between this host and the control "
            "plane; nothing was sent and nothing was stored"
        )
    return ssl.DER_cert_to_PEM_cert(certificate)


def decode_certificate(pem: str) -> bytes:
    """The one certificate in the text, as DER."""
    try:
        return ssl.PEM_cert_to_DER_cert(pem.strip())
    except ValueError:
        raise EnrolmentError("what answers there sent no certificate: is it a Slipway control plane?") from None


def hash_of(certificate: bytes) -> str:
    """SHA-256 of the certificate: ``openssl x509 -in ca.crt -outform DER | sha256sum``."""
    return f"sha256:{hashlib.sha256(certificate).hexdigest()}"


def join(server: str, ca_pem: str, *, token: str, node: str) -> dict[str, Any]:
    """``{"nodeName", "token", "expires"}``. Raises `EnrolmentError`."""
    return _post(server, "/agent/v1/join", ssl.create_default_context(cadata=ca_pem), token, {"nodeName": node})


def renew(server: str, ca_file: Path | None, *, token: str) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return _post(server, "/agent/v1/credential", context, token, {})


def _post(server: str, path: str, context: ssl.SSLContext, token: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = json.loads(_request(server, "POST", path, context, body=json.dumps(body), headers=headers))
    if not isinstance(answer, dict) or not {"token", "expires"} <= answer.keys():
        raise EnrolmentError(f"{server} answered with something else than a credential")
    return answer


def _request(
    server: str,
    method: str,
    path: str,
    context: ssl.SSLContext,
    *,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> bytes:
    parts = urlsplit(server)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS, context=context)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        content = response.read(MAX_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise EnrolmentError(
            f"the certificate of {server} is not good for this address ({error.verify_message}): name the control plane "
            "as its certificate does, or add the name to SLIPWAY_HOSTS there and start it again"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{server} does not answer: {error}") from None
    finally:
        connection.close()
    if response.status >= 300:
        raise EnrolmentError(_message(content) or f"{server} answered with HTTP {response.status}", response.status)
    return content


def _message(content: bytes) -> str:
    """Of a Status."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def patiently(seconds: float, attempt: Any) -> Any:
    """Call again while nobody answers, for so long: a control plane that starts at this moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except EnrolmentError as error:
            passing = isinstance(error, Unreachable) or error.code in (429, 503)
            if not passing or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
