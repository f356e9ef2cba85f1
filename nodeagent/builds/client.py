"""What an agent asks the control plane about a build, and tells of it. Plain HTTPS with the node's credential; blocking."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from nodeagent.builds.places import BuildKey
from nodeagent.credential import Credential
from nodeagent.errors import ImagePullError
from nodeagent.images import errors
from nodeagent.settings import Settings

TIMEOUT_SECONDS = 30.0
_CHUNK = 256 * 1024
_MAX_BYTES = 8 * 1024 * 1024


class Refused(ImagePullError):
    """The control plane said no; asking again is useless."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Client:
    def __init__(self, settings: Settings, credential: Credential | None = None) -> None:
        self.server = settings.server
        self._ca_file = settings.ca_file
        self._credential = credential or Credential(settings.credential_file, settings.token)

    def request(self, build: BuildKey) -> dict[str, Any]:
        """What to build. Raises `RegistryUnreachable` and `Refused`."""
        return self._json("GET", _path(build))

    def progress(self, build: BuildKey, told: dict[str, Any]) -> None:
        self._json("POST", _path(build, "progress"), told)

    def login(self, build: BuildKey, asked: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", _path(build, "login"), asked)

    def context(self, build: BuildKey, file: Path, told: Callable[[int, int], None]) -> None:
        """The context into ``file``, from where it broke off. ``told`` hears bytes done and of the whole."""
        start = file.stat().st_size if file.exists() else 0
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._open("GET", _path(build, "context"), None, headers) as response:
            left = int(response.headers.get("Content-Length") or 0)
            total = start + left if response.status == 206 else left
            with file.open("ab" if response.status == 206 else "wb") as out:
                done = out.tell()
                while data := response.read(_CHUNK):
                    out.write(data)
                    done += len(data)
                    told(done, total)

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        with self._open(method, path, None if body is None else json.dumps(body), headers) as response:
            found: dict[str, Any] = json.loads(response.read(_MAX_BYTES) or b"{}")
            return found

    @contextlib.contextmanager
    def _open(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self.server)
        context = ssl.create_default_context(cafile=str(self._ca_file) if self._ca_file else None)
        made = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS, context=context)
        try:
            made.request(
                method, path, body=body, headers={"Authorization": f"Bearer {self._credential.token}", **headers}
            )
            response = made.getresponse()
            if response.status >= 300:
                _refuse(response)
            yield response
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise errors.RegistryUnreachable(f"the control plane {self.server} does not answer: {error}") from None
        finally:
            made.close()


def _refuse(response: http.client.HTTPResponse) -> None:
    try:
        message = str(json.loads(response.read(_MAX_BYTES))["message"])
    except (ValueError, KeyError, TypeError):
        message = f"the control plane answered with HTTP {response.status}"
    if response.status >= 500 or response.status == 429:
        raise errors.RegistryUnreachable(message)
    raise Refused(message, response.status)


def _path(build: BuildKey, what: str = "") -> str:
    base = f"/agent/v1/builds/{quote(build.namespace, safe='')}/{quote(build.name, safe='')}/{build.attempt}"
    return f"{base}/{what}" if what else base
