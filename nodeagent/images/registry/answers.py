"""What a registry answers: read within bounds, and its refusals in words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nodeagent.facilities import Credentials
from nodeagent.images import errors, manifests
from nodeagent.images.reference import Reference
from nodeagent.images.registry.own import NODE_PREFIX

if TYPE_CHECKING:
    import httpx

_LARGEST_COMPLAINT = 16 * 1024


@dataclass
class Repository:
    """A repository as one pull sees it: which server answers for it, and what to say to be let in."""

    reference: Reference
    server: str
    credentials: Credentials | None
    authorization: str = field(default="", repr=False)
    actions: str = "pull"
    is_by_hand: bool = False
    """Logins come from a command line and not from a pod's Secrets: for what is said of them."""

    @property
    def scope(self) -> str:
        return f"repository:{self.reference.repository}:{self.actions}"


class Cut(Exception):
    """A network fault: worth another try."""


def words(error: Exception) -> str:
    return str(error) or {
        "ConnectTimeout": "no connection within 10 s",
        "ReadTimeout": "no answer for 30 s",
        "RemoteProtocolError": "the connection was closed early",
    }.get(type(error).__name__, type(error).__name__)


async def body(response: httpx.Response) -> AsyncIterator[bytes]:
    import httpx

    try:
        async for chunk in response.aiter_raw():
            yield chunk
    except httpx.TransportError as error:
        raise Cut(words(error)) from None
    except httpx.HTTPError as error:
        raise errors.RegistryFault(f"the answer of {response.url.host} cannot be read: {words(error)}") from None


async def read(response: httpx.Response, most: int, what: str) -> bytes:
    import httpx

    data = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > most:
                raise errors.RegistryFault(f"{what} is longer than {most} bytes")
    except httpx.TransportError as error:
        raise Cut(words(error)) from None
    except httpx.HTTPError as error:
        raise errors.RegistryFault(f"{what} cannot be read: {words(error)}") from None
    return bytes(data)


def check_length(response: httpx.Response, repository: Repository, blob: manifests.Descriptor, wanted: int) -> None:
    """A length that the registry states and that is not the manifest's is no network fault."""
    stated = response.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) != wanted:
        whole = response.headers.get("content-range", "").rpartition("/")[2]
        length = int(whole) if whole.isdecimal() else blob.size + int(stated) - wanted
        raise errors.DigestMismatch(
            f"{repository.reference}: {blob.digest} is {length} bytes long, not {blob.size} as its manifest says"
        )


async def complaint(response: httpx.Response) -> str:
    """What a registry says beside an error status (its ``errors[0].message``), made harmless for a status line."""
    if response.status_code < 400:
        return ""
    try:
        document: Any = json.loads(await read(response, _LARGEST_COMPLAINT, "an error"))
        first = document["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (errors.RegistryFault, Cut, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return "".join(one if one.isprintable() else " " for one in text)[:300]


def check(response: httpx.Response, repository: Repository, complaint: str) -> None:
    status = response.status_code
    if status in (200, 206):
        return
    said = f" ({complaint})" if complaint else ""
    if status in (401, 403):
        raise refused(repository, said, is_known=status == 403)
    if status == 404:
        raise errors.NotFound(f"{repository.reference} is not in registry {repository.server}{said}")
    if status == 429:
        after = response.headers.get("retry-after", "")
        wait = f"; it asks to wait {after} s" if after.isdecimal() else ""
        raise errors.RateLimited(f"registry {repository.server} limits how often it may be asked{wait}{said}")
    if status == 400 and response.url.scheme == "http":
        said += f"; if it wants TLS, put its CA certificate into /etc/slipway/certs.d/{repository.server}/ca.crt"
    raise errors.RegistryFault(f"registry {repository.server} answered {status} for {repository.reference}{said}")


def refused(repository: Repository, said: str = "", *, is_known: bool = False) -> errors.Unauthorised:
    """``is_known``: the login is good, and has no right to this."""
    reference, server = repository.reference, repository.server
    if repository.credentials is not None and repository.credentials.username.startswith(NODE_PREFIX):
        if "push" in repository.actions:
            return errors.Unauthorised(
                f"no node may push to the cluster's registry: log in as a user for {reference}, with --username{said}"
            )
        return errors.Unauthorised(f"the cluster's registry does not let this node pull {reference}{said}")
    action = "push" if "push" in repository.actions else "pull"
    where = "with --username or 'docker login'" if repository.is_by_hand else "by a Secret in imagePullSecrets"
    if repository.credentials is None:
        return errors.Unauthorised(
            f"registry {server} lets nobody {action} {reference} without a login, or it does not exist; "
            f"log in to {reference.host} {where}{said}"
        )
    login = f"login of {repository.credentials.username}" if repository.is_by_hand else "login in imagePullSecrets"
    if is_known:
        return errors.Unauthorised(f"registry {server} does not let the {login} {action} {reference}{said}")
    return errors.Unauthorised(f"registry {server} refuses the {login} for {reference}{said}")
