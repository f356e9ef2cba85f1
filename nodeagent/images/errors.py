"""What can go wrong with an image. Every text names the image or host, what happened, and often what to do.

ImagePullError (nodeagent.errors; reason ErrImagePull)
├── RegistryUnreachable   network fault, kept after several tries
├── Unauthorised          the registry wants a login, or refuses the one it got
├── NotFound              no such repository, tag or digest
├── RateLimited           429, with the wait the registry asked for
├── RegistryFault         the registry answered nonsense or 5xx
├── DigestMismatch        what came is not what was asked for
├── BadImage              manifest or config that cannot be used; no variant for this platform
├── BadSignature          not signed by a key that the namespace trusts
├── HostileLayer          a layer that would reach outside its root, or is out of bounds
└── StoreError            this node's own trouble: disk full, too many layers, not on overlayfs
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from nodeagent.errors import ImagePullError


class RegistryUnreachable(ImagePullError):
    pass


class Unauthorised(ImagePullError):
    pass


class NotFound(ImagePullError):
    pass


class RateLimited(ImagePullError):
    pass


class RegistryFault(ImagePullError):
    pass


class DigestMismatch(ImagePullError):
    pass


class BadImage(ImagePullError):
    pass


class BadSignature(ImagePullError):
    reason = "SignatureValidationFailed"


class HostileLayer(ImagePullError):
    pass


class StoreError(ImagePullError):
    pass


AWAY = (RegistryUnreachable, RegistryFault, RateLimited)
"""After which another node may still have what is known by its digest."""


@contextlib.contextmanager
def as_store_error(what: str) -> Iterator[None]:
    """What the file system refuses (full, read-only, broken) is said in words, and tried again like any failed pull."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise StoreError(f"{what}: this node's image store: {error.strerror or error}{where}") from error
