"""Signatures as cosign leaves them in a real registry: which are believed, and what is said of the others."""

from __future__ import annotations

import base64
import json
import shutil
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from nodeagent.errors import ImagePullError
from nodeagent.images import errors
from tests import images, registry
from tests.agent.host import needs_host
from tests.agent.images_host import opened
from tests.images import Built, Layer, digest_of

pytestmark = needs_host

ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
RIVEST = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(*keys: Any) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return "\n".join(key.public_key().public_bytes(encoding, form).decode() for key in keys)


def sign(key: Any, payload: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(payload, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
    signed: bytes = key.sign(payload)
    return signed


def payload_of(digest: str, kind: str = "cosign container image signature") -> bytes:
    image = {"docker-manifest-digest": digest}
    return json.dumps({"critical": {"identity": {}, "image": image, "type": kind}, "optional": None}).encode()


def signature(*layers: tuple[bytes, bytes]) -> Built:
    """The image under ``sha256-….sig``, of payloads and their signatures."""
    config = b"{}"
    described = [
        {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": digest_of(payload),
            "size": len(payload),
            "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(signed).decode()},
        }
        for payload, signed in layers
    ]
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config), "size": 2},
        "layers": described,
    }
    blobs = tuple(Layer(payload, digest_of(payload), "none") for payload, _ in layers)
    return Built(json.dumps(manifest).encode(), manifest["mediaType"], config, blobs)


def push(hub, name: str, *layers: tuple[bytes, bytes], signed: bool = True) -> str:
    built = images.busybox()
    reference = built.push(hub, f"{name}:1")
    if signed:
        signature(*layers).push(hub, f"{name}:{built.digest.replace(':', '-')}.sig")
    return reference


DIGEST = images.busybox().digest
GOOD = payload_of(DIGEST)


async def verify(store, reference: str, keys: str) -> None:
    image = await store.pull(reference, credentials={})
    await store.verify(image, keys, credentials={})


@pytest.mark.parametrize("key", [ELLIPTIC, EDWARDS, RIVEST], ids=["ecdsa", "ed25519", "rsa"])
async def test_an_image_signed_by_a_trusted_key_is_good(store, hub, key):
    reference = push(hub, "good", (GOOD, sign(key, GOOD)))
    await verify(store, reference, public(OTHER, key))


async def test_one_good_signature_among_others_is_enough(store, hub):
    other = payload_of(DIGEST, kind="something else")
    reference = push(
        hub, "several", (GOOD, sign(OTHER, GOOD)), (other, sign(ELLIPTIC, other)), (GOOD, sign(ELLIPTIC, GOOD))
    )
    await verify(store, reference, public(ELLIPTIC))


@pytest.mark.parametrize(
    ("name", "layers", "keys", "said"),
    [
        ("stranger", [(GOOD, sign(OTHER, GOOD))], public(ELLIPTIC), "by a key that the namespace trusts"),
        ("moved", [(payload_of("sha256:" + "0" * 64), None)], public(ELLIPTIC), "of another image, sha256:000"),
        ("altered", [(GOOD, sign(ELLIPTIC, GOOD + b" "))], public(ELLIPTIC), "by a key that the namespace trusts"),
        ("rubbish", [(b"no json", None)], public(ELLIPTIC), "by a key that the namespace trusts"),
        (
            "kind",
            [(payload_of(DIGEST, kind="attestation"), None)],
            public(ELLIPTIC),
            "by a key that the namespace trusts",
        ),
        ("empty", [], public(ELLIPTIC), "by a key that the namespace trusts"),
        (
            "keyless",
            [(GOOD, sign(ELLIPTIC, GOOD))],
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "can be read",
        ),
    ],
)
async def test_what_is_not_believed(store, hub, name, layers, keys, said):
    signed = [(payload, sign(ELLIPTIC, payload) if given is None else given) for payload, given in layers]
    with pytest.raises(errors.BadSignature, match=said) as raised:
        await verify(store, push(hub, name, *signed), keys)
    assert raised.value.reason == "SignatureValidationFailed"


async def test_an_image_without_a_signature_says_which_tag_is_missing(store, hub):
    with pytest.raises(errors.BadSignature, match="is not signed: its repository has no sha256-"):
        await verify(store, push(hub, "bare", signed=False), public(ELLIPTIC))


async def test_an_image_from_an_archive_is_signed_where_its_name_says_or_not_at_all(store, hub, home):
    archive = images.busybox().save_docker_archive(home / "one.tar", hub.reference("one:1"))
    [image] = await store.load(archive)
    with pytest.raises(errors.BadSignature, match="is not signed"):
        await store.verify(image, public(ELLIPTIC), credentials={})


async def test_what_was_good_stays_good_while_the_registry_is_away_and_only_for_the_same_keys(home):
    async with opened(home) as store:
        with registry.start() as hub:
            reference = push(hub, "kept", (GOOD, sign(ELLIPTIC, GOOD)))
            await verify(store, reference, public(ELLIPTIC))
        shutil.rmtree(home / "images/partial", ignore_errors=True)
    async with opened(home) as store:
        image = await store.find(reference)
        assert image is not None
        await store.verify(image, public(ELLIPTIC), credentials={})
        with pytest.raises(ImagePullError):
            await store.verify(image, public(OTHER), credentials={})
