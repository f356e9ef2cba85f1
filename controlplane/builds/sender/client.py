"""HTTP as far as a sender needs it: one kept connection, and one of its own for what streams.

The standard library's, since a command that is typed often should start at once.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 60.0
_CHUNK = 64 * 1024


class Unreachable(Exception):
    """The server did not answer, or its answer broke off."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """Raises `ValueError`."""
        return json.loads(self.body)


class Client:
    def __init__(self, server: str, tls: ssl.SSLContext, headers: Mapping[str, str]) -> None:
        self._parts, self._tls, self._headers = urlsplit(server), tls, dict(headers)
        self._kept: http.client.HTTPConnection | None = None

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises `Unreachable`; whether the server has done what was asked is then unknown."""
        with self._as_unreachable():
            try:
                return self._request(method, path, body, headers or {})
            except BaseException:
                self.close()
                raise

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        fresh = self._kept is None
        connection = self._kept = self._kept or self._connection(TIMEOUT_SECONDS)
        try:
            connection.request(method, self._parts.path + path, body=body, headers={**self._headers, **headers})
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if fresh or method == "POST":
                raise
            self.close()  # the server gave the kept connection up meanwhile
            return self._request(method, path, body, headers)
        answer = Answer(response.status, response.read())
        if response.will_close:
            self.close()
        return answer

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float | None
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Status and the body's pieces as they come. Raises `Unreachable`, also while it is read."""
        connection = self._connection(silence_seconds)
        with self._as_unreachable():
            try:
                connection.request("GET", f"{self._parts.path}{path}?{urlencode(query)}", headers=self._headers)
                response = connection.getresponse()
                yield response.status, iter(lambda: response.read1(_CHUNK), b"")
            finally:
                connection.close()

    def _connection(self, timeout: float | None) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=timeout)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)

    @contextlib.contextmanager
    def _as_unreachable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", "") or str(error) or type(error).__name__
            raise Unreachable(f"{self._parts.scheme}://{self._parts.netloc}: {why}") from None
