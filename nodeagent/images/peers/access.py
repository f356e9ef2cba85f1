"""Who may have what of this node's images. Pure.

A private image must not reach a node that could not pull it from its registry. So:

* A layer or config is given to whoever shows a manifest that lists it, whole, and that this node has as well. Manifests come
  from the registry, to those who may pull; knowing a digest, which statuses and logs tell, is not enough.
* A layer of an image that its registry gives to everybody is given to every node of the cluster.
* A manifest (asked for by digest where the registry cannot be reached) is given for an image that is public, or to whoever
  proves to have the login with which this node pulled it.

A login is proved without being shown: both ends make a key of it (scrypt), the asker signs what it asks for and whom, so the
answerer cannot use that elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json

from nodeagent.facilities import Credentials
from nodeagent.images import errors, manifests
from nodeagent.images.reference import Reference, is_loopback
from nodeagent.images.state import State

PUBLIC = "public"
UNKNOWN = ""


def of_pull(reference: Reference, login: Credentials | None, is_own: bool = False) -> str:
    """What is noted of a pull. Takes a moment where there is a login: for a thread. ``is_own``: from the cluster's registry,
    where each node logs in as itself and may pull what its pods name; nobody else can tell what that is."""
    if login is not None:
        return "login:" + login_key(reference.name, login).hex()
    # What a name at loopback means is each host's own affair.
    return UNKNOWN if is_own or is_loopback(reference.host) else PUBLIC


@functools.lru_cache(maxsize=256)
def login_key(repository: str, login: Credentials) -> bytes:
    """Costly on purpose: who sees a proof should not find a weak password by trying."""
    secret = json.dumps([login.username, login.password, login.identity_token]).encode()
    return hashlib.scrypt(secret, salt=b"slipway image " + repository.encode(), n=2**14, r=8, p=1, dklen=32)


def proof(key: bytes, *, asker: str, answerer: str, digest: str) -> str:
    return hmac.new(key, f"{asker}\0{answerer}\0{digest}".encode(), "sha256").hexdigest()


def may_have_manifest(state: State, repository: str, digest: str, *, shown: str, asker: str, answerer: str) -> bool:
    """Whether ``digest`` is that of an image of ``repository`` here, or of the index that it was chosen from, and the asker may
    have it. ``shown`` is its proof of a login, or empty."""
    for name, record in state.references.items():
        image = state.images.get(record.image_id)
        if name.partition("@")[0] != repository or image is None or digest not in (record.digest, image.manifest):
            continue
        if record.access == PUBLIC:
            return True
        kind, _, key = record.access.partition(":")
        if kind == "login" and shown:
            wanted = proof(bytes.fromhex(key), asker=asker, answerer=answerer, digest=digest)
            if hmac.compare_digest(wanted, shown):
                return True
    return False


def public_manifests(state: State) -> set[str]:
    return {
        state.images[record.image_id].manifest
        for record in state.references.values()
        if record.access == PUBLIC and record.image_id in state.images
    }


def listed(manifest: bytes) -> dict[str, int]:
    """Digest to size of what a manifest lists; nothing for what is no manifest."""
    try:
        parsed = manifests.parse(manifests.load(manifest, "the manifest"), "the manifest")
    except errors.BadImage:
        return {}
    return {one.digest: one.size for one in (parsed.config, *parsed.layers)}
