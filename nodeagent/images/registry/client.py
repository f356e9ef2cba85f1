"""A client of the distribution API (registry v2), as far as pulling needs it.

Over TLS with the system's roots and the extra CAs of the settings; plain http only to loopback and to hosts that the
settings name. Credentials go to the registry that they are for (and to the token service that it names), never along a
redirect to another host. Network faults are tried again with growing waits, a blob from where it broke off; what a
registry *says* is final.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from nodeagent.errors import ImagePullError
from nodeagent.facilities import Credentials
from nodeagent.images import errors, manifests
from nodeagent.images.reference import Reference, is_loopback, server_of
from nodeagent.images.registry import answers, authorization, grants, pieces, tls
from nodeagent.images.registry.answers import Repository
from nodeagent.images.registry.credentials import for_repository
from nodeagent.images.registry.own import NODE_PREFIX, OwnRegistry
from nodeagent.images.settings import ImageSettings

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS = 5
_LARGEST_TOKEN = 1024 * 1024
_LONGEST_WAIT_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 30.0


class RegistryClient:
    """For all pulls of a process; its connections are kept open between them. Bound to one event loop."""

    def __init__(self, settings: ImageSettings) -> None:
        # Each request would be a line of the agent's log, at the level of its own news.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._settings = settings
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._tokens: dict[tuple[str, str, Credentials | None], authorization.Token] = {}
        self._unranged: set[str] = set()
        """Servers that send whole blobs whatever range is asked for."""
        self._own: OwnRegistry | None = None

    def use(self, own: OwnRegistry | None) -> None:
        """The cluster's own registry from now on. Connections that trust another authority are not used any more."""
        if own is not None and self._own is not None and own.authority == self._own.authority:
            self._own = own
            return
        self._own = own
        self._clients = {}  # what is under way keeps its own

    async def close(self) -> None:
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    # --- what a pull asks for

    def is_own(self, reference: Reference) -> bool:
        """Whether the cluster's own registry is meant."""
        return self._own is not None and reference.host in self._own.names

    def repository(self, reference: Reference, login: Credentials | None) -> Repository:
        """As it is asked where no mirror is."""
        if self._own is not None and self.is_own(reference):
            return self._at(reference, self._own.address, login or self._own.login)
        return self._at(reference, reference.server, login)

    def _at(self, reference: Reference, server: str, login: Credentials | None, actions: str = "pull") -> Repository:
        return Repository(reference, server, login, actions=actions, is_by_hand=self._settings.is_by_hand)

    def took_login(self, repository: Repository) -> bool:
        """Whether a login was shown to get in. One that every node of the cluster has, for its caches, is none."""
        caches = self._own.mirrors.values() if self._own is not None else ()
        return repository.credentials is not None and repository.server not in caches

    async def peer_grant(self, reference: Reference) -> str:
        """The control plane's word to other nodes that this one may pull; empty where it gives none."""
        if self._own is None or not self.is_own(reference):
            return ""
        challenge = authorization.Challenge("bearer", {"service": grants.AUDIENCE})
        try:
            return (await self._token(self.repository(reference, None), challenge)).value
        except (ImagePullError, answers.Cut):
            return ""

    def may_verify(self, token: str, *, node: str, repository: str) -> bool:
        """Whether ``token`` is the control plane's word that ``node`` may pull from ``repository`` (without a host)."""
        own = self._own
        return own is not None and grants.allows(
            token, own.token_certificate, subject=NODE_PREFIX + node, repository=repository, now=time.time()
        )

    async def manifest(
        self, reference: Reference, credentials: Mapping[str, Credentials]
    ) -> tuple[Repository, bytes, str]:
        """The repository to ask on, the manifest (or index) and its digest. Mirrors are asked first."""
        login = for_repository(credentials, reference.host, reference.repository)
        own_registry = self._own
        if self.is_own(reference):
            return await self._manifest(self.repository(reference, login))
        for mirror in self._mirrors(reference.host):
            # The login is the registry's, not the mirror's; one for the mirror's own name is used.
            own = for_repository(credentials, mirror, reference.repository)
            if own is None and own_registry is not None and own_registry.is_own(mirror):
                own = own_registry.login
            try:
                return await self._manifest(self._at(reference, server_of(mirror), own))
            except ImagePullError:
                continue
        return await self._manifest(self.repository(reference, login))

    def _mirrors(self, host: str) -> list[str]:
        cache = self._own.mirrors.get(host) if self._own is not None else None
        return [*self._settings.mirrors.get(host, ()), *([cache] if cache else [])]

    async def _manifest(self, repository: Repository) -> tuple[Repository, bytes, str]:
        data = await self.document(repository, repository.reference.selector)
        return repository, data, manifests.digest_of(data)

    async def document(self, repository: Repository, selector: str) -> bytes:
        """A manifest by tag or digest; by digest it is verified."""
        path = f"/v2/{repository.reference.repository}/manifests/{selector}"
        data = await self._fetch(repository, path, manifests.LARGEST_MANIFEST, {"Accept": manifests.ACCEPT})
        if selector.startswith("sha256:") and manifests.digest_of(data) != selector:
            raise errors.DigestMismatch(
                f"{repository.reference.name}: the registry sent a manifest with digest {manifests.digest_of(data)} "
                f"when asked for {selector}"
            )
        return data

    def blob(self, repository: Repository, blob: manifests.Descriptor, start: int) -> AsyncIterator[bytes]:
        """A blob's bytes from ``start`` on, taken up again after each cut. The caller verifies the digest.

        Ends after exactly ``blob.size - start`` bytes, or raises.
        """
        settings = self._settings
        if blob.size - start <= 2 * settings.piece_bytes or settings.parallel_pieces < 2:
            return self._part(repository, blob, start, blob.size)
        return pieces.in_order(
            lambda begin, end: self._part(repository, blob, begin, end),
            start,
            blob.size,
            piece_bytes=settings.piece_bytes,
            at_once=settings.parallel_pieces,
            is_ranged=lambda: repository.server not in self._unranged,
        )

    async def _part(
        self, repository: Repository, blob: manifests.Descriptor, start: int, end: int
    ) -> AsyncIterator[bytes]:
        at, failures = start, 0
        while at < end:
            began = at
            try:
                async for chunk in self._part_once(repository, blob, at, end):
                    at += len(chunk)
                    yield chunk
                if at < end:
                    raise answers.Cut("the connection was closed early")
            except answers.Cut as cut:
                failures = 1 if at > began else failures + 1
                if failures >= self._settings.attempts:
                    raise errors.RegistryUnreachable(
                        f"the download of {blob.digest} from {repository.server} broke off after {at} of {blob.size} "
                        f"bytes: {cut}"
                    ) from None
                await self._wait(failures)

    async def _part_once(
        self, repository: Repository, blob: manifests.Descriptor, start: int, end: int
    ) -> AsyncIterator[bytes]:
        path = f"/v2/{repository.reference.repository}/blobs/{blob.digest}"
        headers = {"Accept-Encoding": "identity"}
        if start or end < blob.size:
            headers["Range"] = f"bytes={start}-" + (str(end - 1) if end < blob.size else "")
        async with AsyncExitStack() as stack:
            response = await self._open(stack, repository, path, headers)
            answers.check(response, repository, await answers.complaint(response))
            is_part = response.status_code == 206
            if end < blob.size and not is_part:
                self._unranged.add(repository.server)
            answers.check_length(response, repository, blob, end - start if is_part else blob.size)
            skip, left = (0 if is_part else start), end - start
            async for chunk in answers.body(response):
                if skip:
                    chunk, skip = chunk[skip:], max(0, skip - len(chunk))
                if len(chunk) > left:
                    if end < blob.size and not is_part:
                        yield chunk[:left]
                        return
                    raise errors.DigestMismatch(
                        f"{repository.reference}: {blob.digest} is longer than the {blob.size} bytes that its manifest says"
                    )
                left -= len(chunk)
                if chunk:
                    yield chunk

    # --- one request

    async def _fetch(self, repository: Repository, path: str, most: int, headers: Mapping[str, str]) -> bytes:
        """A small document, tried again on network faults."""
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return await self._fetch_once(repository, path, most, headers)
            except answers.Cut as cut:
                if attempt == self._settings.attempts:
                    raise errors.RegistryUnreachable(f"registry {repository.server} cannot be reached: {cut}") from None
                await self._wait(attempt)
        raise AssertionError("attempts is at least one")

    async def _fetch_once(self, repository: Repository, path: str, most: int, headers: Mapping[str, str]) -> bytes:
        async with AsyncExitStack() as stack:
            response = await self._open(stack, repository, path, headers)
            answers.check(response, repository, await answers.complaint(response))
            return await answers.read(response, most, f"the answer of {repository.server} to {path}")

    async def _wait(self, failures: int) -> None:
        seconds = min(self._settings.retry_seconds * 2 ** (failures - 1), _LONGEST_WAIT_SECONDS)
        await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311 (spreads load, guards nothing)

    async def _open(
        self, stack: AsyncExitStack, repository: Repository, path: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        """The answer, after logging in and following redirects. Its body is still to be read. Raises `answers.Cut`."""
        url = f"{self._scheme(repository.server)}://{repository.server}{path}"
        token = self._tokens.get((repository.server, repository.scope, repository.credentials))
        if token is not None:
            repository.authorization = token.header if token.is_fresh() else ""
        response = await self._send(stack, repository, url, headers)
        if response.status_code == 401:
            challenge = response.headers.get_list("www-authenticate")
            await self._log_in(repository, authorization.parse_challenges(challenge))
            response = await self._send(stack, repository, url, headers)
        return response

    def target(self, reference: Reference, login: Credentials | None) -> Repository:
        """Where an image of that name is pushed to: never a mirror."""
        if self._own is not None and reference.host in self._own.names:
            return self._at(reference, self._own.address, login or self._own.login, "pull,push")
        return self._at(reference, reference.server, login, "pull,push")

    async def put(
        self,
        stack: AsyncExitStack,
        repository: Repository,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], AsyncIterator[bytes]] | bytes = b"",
    ) -> httpx.Response:
        """One request of a push; ``url`` may be a path. Logs in where that is asked for. Raises `errors.RegistryUnreachable`, and
        what an error status means."""
        server = f"{self._scheme(repository.server)}://{repository.server}"
        address = urljoin(f"{server}/", url)
        if urlsplit(address).netloc != repository.server:
            raise errors.RegistryFault(f"registry {repository.server} sends uploads to {urlsplit(address).netloc}")
        try:
            response = await self._put(stack, repository, method, address, headers, content)
            if response.status_code == 401:
                challenge = response.headers.get_list("www-authenticate")
                await self._log_in(repository, authorization.parse_challenges(challenge))
                response = await self._put(stack, repository, method, address, headers, content)
            if response.status_code >= 300 and not (method == "HEAD" and response.status_code == 404):
                answers.check(response, repository, await answers.complaint(response))
        except answers.Cut as cut:
            raise errors.RegistryUnreachable(f"registry {repository.server}: {cut}") from None
        return response

    async def _put(
        self,
        stack: AsyncExitStack,
        repository: Repository,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], AsyncIterator[bytes]] | bytes,
    ) -> httpx.Response:
        sent = {**headers, **({"Authorization": repository.authorization} if repository.authorization else {})}
        return await self._request(stack, method, url, sent, content if isinstance(content, bytes) else content())

    async def _send(
        self, stack: AsyncExitStack, repository: Repository, url: str, headers: Mapping[str, str]
    ) -> httpx.Response:
        origin = urlsplit(url)
        for _ in range(_MOST_REDIRECTS + 1):
            target = urlsplit(url)
            same = (target.scheme, target.netloc) == (origin.scheme, origin.netloc)
            sent = dict(headers)
            if same and repository.authorization:
                sent["Authorization"] = repository.authorization
            response = await self._request(stack, "GET", url, sent)
            if response.status_code not in (301, 302, 303, 307, 308):
                return response
            url = urljoin(url, response.headers.get("location", ""))
            self._check_redirect(repository, origin.netloc, url)
        raise errors.RegistryFault(f"registry {repository.server} redirects more than {_MOST_REDIRECTS} times")

    def _check_redirect(self, repository: Repository, origin: str, url: str) -> None:
        """A registry may not send us to this machine's own services, nor from TLS to plain http."""
        target = urlsplit(url)
        if target.scheme not in ("http", "https") or not target.netloc:
            raise errors.RegistryFault(f"registry {repository.server} redirects to {url[:200]!r}")
        if target.scheme == "http" and self._scheme(target.netloc) != "http":
            raise errors.RegistryFault(f"registry {repository.server} redirects to plain http at {target.netloc}")
        if is_loopback(target.netloc) and not is_loopback(origin):
            raise errors.RegistryFault(f"registry {repository.server} redirects to this machine's {target.netloc}")

    async def _request(
        self,
        stack: AsyncExitStack,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | bytes = b"",
    ) -> httpx.Response:
        import httpx

        client = await self._client(urlsplit(url).netloc)
        request = client.build_request(method, url, headers=headers, content=body or None)
        try:
            response = await client.send(request, stream=True)
        except httpx.TransportError as error:
            raise answers.Cut(answers.words(error)) from None
        except (httpx.InvalidURL, httpx.HTTPError, UnicodeError) as error:
            raise errors.RegistryFault(f"{urlsplit(url).netloc} cannot be asked: {answers.words(error)}") from None
        stack.push_async_callback(response.aclose)
        return response

    def _scheme(self, server: str) -> str:
        if self._own is not None and server in self._own.servers:
            return "https"
        if server in self._settings.insecure_hosts:
            return "http"
        if not is_loopback(server):
            return "https"
        return "https" if tls.of_host(self._settings, server) else "http"

    async def _client(self, server: str) -> httpx.AsyncClient:
        import httpx

        client = self._clients.get(server)
        if client is None:
            plain = self._scheme(server) == "http"
            own = self._own.authority if self._own is not None and server in self._own.servers else ""
            verify = False if plain else await asyncio.to_thread(tls.context, self._settings, server, own)
            client = httpx.AsyncClient(
                verify=verify,
                timeout=httpx.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS, pool=None),
                follow_redirects=False,
                trust_env=not is_loopback(server),
                headers={"User-Agent": "slipway"},
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=20),
            )
            client = self._clients.setdefault(server, client)
        return client

    # --- logging in

    async def _log_in(self, repository: Repository, challenges: list[authorization.Challenge]) -> None:
        by_scheme = {one.scheme: one for one in challenges}
        if "bearer" in by_scheme:
            token = await self._token(repository, by_scheme["bearer"])
            self._tokens = {key: one for key, one in self._tokens.items() if one.is_fresh()}
            self._tokens[repository.server, repository.scope, repository.credentials] = token
            repository.authorization = token.header
        elif "basic" in by_scheme and repository.credentials is not None:
            repository.authorization = authorization.basic(repository.credentials)
        else:
            raise answers.refused(repository)

    async def _token(self, repository: Repository, challenge: authorization.Challenge) -> authorization.Token:
        challenge = self._own_realm(repository, challenge)
        self._check_realm(repository, challenge.realm)
        request = authorization.token_request(challenge, repository.scope, repository.credentials)
        async with AsyncExitStack() as stack:
            response = await self._request(stack, request.method, request.url, request.headers, request.body.encode())
            if response.status_code in (400, 401, 403):
                complaint = await answers.complaint(response)
                said = f" ({complaint})" if complaint else ""
                raise answers.refused(repository, said, is_known=response.status_code == 403)
            answers.check(response, repository, await answers.complaint(response))
            data = await answers.read(response, _LARGEST_TOKEN, f"the token service of {repository.server}")
        token = authorization.read_token(manifests.load(data, f"the answer of {repository.server}'s token service"))
        if token is None:
            raise errors.RegistryFault(f"the token service of {repository.server} gave no token")
        return token

    def _own_realm(self, repository: Repository, challenge: authorization.Challenge) -> authorization.Challenge:
        """Our own registry's tokens come from the control plane that this node belongs to, wherever that is from here."""
        if self._own is None or not self._own.is_own(repository.server):
            return challenge
        return authorization.Challenge(challenge.scheme, {**challenge.parameters, "realm": self._own.token_url})

    def _check_realm(self, repository: Repository, realm: str) -> None:
        target = urlsplit(realm)
        if target.scheme == "https" and target.netloc:
            return
        if target.scheme == "http" and self._scheme(target.netloc) == "http":
            self._check_redirect(repository, repository.server, realm)
            return
        raise errors.RegistryFault(f"registry {repository.server} names a token service without TLS: {realm[:200]!r}")
