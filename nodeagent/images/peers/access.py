"""Who may have what of this node's images. Pure.

A private image must not reach a node that could not pull it from its registry. So:

* A layer or config is given to whoever shows a manifest that lists it, whole, and that this node has as well. Manifests come
  from the registry, to those who may pull; knowing a digest, which statuses and logs tell, is not enough.
* A layer of an image that its registry gives to everybody is given to every node of the cluster.
* A manifest (asked for by digest where the registry cannot be reached) is given for an image that is public; to whoever
  proves to have the login with which this node pulled it; and for one of the cluster's own registry to whoever brings the
  control plane's word (`registry.grants`).

A login is proved without being shown: both ends make a key of it (scrypt), the asker signs what it asks for and whom, so the
answerer cannot use that elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import Callable

from nodeagent.facilities import Credentials
from nodeagent.images.disk.state import State
from nodeagent.images.reference import Reference, is_loopback

PUBLIC = "public"
CLUSTER = "cluster"
UNKNOWN = ""


def of_pull(reference: Reference, login: Credentials | None, *, is_own: bool, is_logged_in: bool) -> str:
    """What is noted of a pull. Takes a moment where there is a login: for a thread.

    ``login``: of the pod. ``is_own``: from the cluster's registry. ``is_logged_in``: by whatever login, a mirror's say."""
    if login is not None:
        return "login:" + login_key(reference.name, login).hex()
    if is_own:
        return CLUSTER
    # What a name at loopback means is each host's own affair.
    return UNKNOWN if is_logged_in or is_loopback(reference.host) else PUBLIC


@functools.lru_cache(maxsize=256)
def login_key(repository: str, login: Credentials) -> bytes:
    """Costly on purpose: who sees a proof should not find a weak password by trying."""
    secret = json.dumps([login.username, login.password, login.identity_token]).encode()
    return hashlib.scrypt(secret, salt=b"slipway image " + repository.encode(), n=2**14, r=8, p=1, dklen=32)


def proof(key: bytes, *, asker: str, answerer: str, digest: str) -> str:
    return hmac.new(key, f"{asker}\0{answerer}\0{digest}".encode(), "sha256").hexdigest()


def may_have_manifest(
    state: State,
    repository: str,
    digest: str,
    *,
    shown: str,
    asker: str,
    answerer: str,
    is_granted: Callable[[str], bool] = lambda _: False,
) -> bool:
    """Whether ``digest`` is that of an image of ``repository`` here, or of the index that it was chosen from, and the asker may
    have it. ``shown`` is its proof of a login, or empty; ``is_granted`` tells of a repository of the cluster's registry, which
    has many names."""
    for name, record in state.references.items():
        image = state.images.get(record.image_id)
        here = name.partition("@")[0]
        if image is None or digest not in (record.digest, image.manifest):
            continue
        path = here.partition("/")[2]
        if record.access == CLUSTER and path == repository.partition("/")[2] and is_granted(path):
            return True
        if here != repository:
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
