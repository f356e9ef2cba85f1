"""Whether an image is signed with a key that its namespace trusts, in cosign's format.

A signature is an image of its own in the same repository, under the tag ``sha256-<digest>.sig``: each of its layers is a signed
payload ("simple signing", JSON) that names the digest it is about, with the signature as the layer's annotation. Keys are
ECDSA, RSA or Ed25519 (PEM). What was found good is remembered on disk by digest and keys, so that an image that is here starts
while the registry is away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from nodeagent.facilities import Credentials
from nodeagent.images import errors, manifests
from nodeagent.images.flights import in_thread
from nodeagent.images.manifests import Descriptor
from nodeagent.images.reference import Reference
from nodeagent.images.registry.answers import Repository
from nodeagent.images.registry.client import RegistryClient

SIGNATURE = "dev.cosignproject.cosign/signature"
LARGEST_PAYLOAD = 64 * 1024
MOST_SIGNATURES = 50
_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class Verifier:
    def __init__(self, registry: RegistryClient, directory: Path) -> None:
        self._registry = registry
        self._directory = directory

    async def verify(
        self, reference: Reference, digest: str, keys: str, credentials: Mapping[str, Credentials]
    ) -> None:
        """Raises `errors.BadSignature` unless ``digest`` is signed by one of ``keys``, and what a registry may raise."""
        if not digest:
            raise errors.BadSignature(f"{reference} came from no registry, so nobody can have signed it")
        note = self._directory / hashlib.sha256(f"{digest}\n{keys}".encode()).hexdigest()
        if await in_thread(note.exists):
            return
        trusted = parse_keys(keys)
        repository, payloads = await self._signatures(reference, digest, credentials)
        problem = "none of its signatures is by a key that the namespace trusts"
        for blob, signature in payloads:
            payload = b"".join([chunk async for chunk in self._registry.blob(repository, blob, 0)])
            if manifests.digest_of(payload) != blob.digest or not is_signed(payload, signature, trusted):
                continue
            if said := subject(payload):
                if said == digest:
                    await in_thread(self._remember, note)
                    return
                problem = f"its signature is of another image, {said}"
        raise errors.BadSignature(f"{reference}: {problem}")

    def _remember(self, note: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.touch(mode=0o600)

    async def _signatures(
        self, reference: Reference, digest: str, credentials: Mapping[str, Credentials]
    ) -> tuple[Repository, list[tuple[Descriptor, bytes]]]:
        tag = f"{digest.replace(':', '-')}.sig"
        where = Reference(reference.host, reference.repository, tag, "")
        try:
            repository, data, _ = await self._registry.manifest(where, credentials)
        except errors.NotFound:
            raise errors.BadSignature(f"{reference} is not signed: its repository has no {tag}") from None
        return repository, list(signatures(manifests.load(data, f"the signature of {reference}")))


def signatures(manifest: Mapping[str, Any]) -> Iterator[tuple[Descriptor, bytes]]:
    """Payload and signature of each layer of a signature's manifest; what is no such thing is passed over."""
    layers = manifest.get("layers")
    for layer in layers[:MOST_SIGNATURES] if isinstance(layers, list) else ():
        if not isinstance(layer, dict) or not isinstance(layer.get("annotations"), dict):
            continue
        digest, size, text = layer.get("digest"), layer.get("size"), layer["annotations"].get(SIGNATURE)
        if not (isinstance(digest, str) and manifests.is_digest(digest) and isinstance(text, str)):
            continue
        if not isinstance(size, int) or not 0 < size <= LARGEST_PAYLOAD:
            continue
        try:
            yield Descriptor(digest, size), base64.b64decode(text, validate=True)
        except binascii.Error:
            continue


def parse_keys(text: str) -> list[PublicKey]:
    """Raises `errors.BadSignature` where there is none that can be used: a policy must not end in nothing being checked."""
    found: list[PublicKey] = []
    for block in _PEM.findall(text):
        try:
            key = load_pem_public_key(block.encode())
        except ValueError:
            continue
        if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
            found.append(key)
    if not found:
        raise errors.BadSignature("the namespace requires signed images, and none of its keys can be read")
    return found


def is_signed(payload: bytes, signature: bytes, keys: list[PublicKey]) -> bool:
    return any(_is_by(key, payload, signature) for key in keys)


def _is_by(key: PublicKey, payload: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, payload)
    except InvalidSignature:
        return False
    return True


def subject(payload: bytes) -> str:
    """The digest that a payload is about; empty for what is no such payload."""
    try:
        critical = json.loads(payload)["critical"]
        digest = critical["image"]["docker-manifest-digest"]
        is_cosign = critical["type"] == "cosign container image signature"
    except (ValueError, KeyError, TypeError):
        return ""
    return digest if is_cosign and isinstance(digest, str) else ""
