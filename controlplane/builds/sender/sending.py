"""A build through the API: made, given its context in pieces, followed to its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from controlplane.builds.sender.errors import SendError
from controlplane.builds.sender.pack import Archive
from schema.slipway.build import BUILDING, ENDED, FAILED, PENDING

PIECE_BYTES = 8 * 1024 * 1024
PATIENCE_SECONDS = 120.0
"""How long a server that does not answer is asked again."""
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})
T = TypeVar("T")


class Sending:
    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self._client = client
        self._builds = f"/apis/slipway.dev/v1/namespaces/{namespace}/builds"

    def registry(self) -> str:
        """The name of the cluster's registry in tags; empty where there is none."""
        try:
            spec = self._client.get("/apis/slipway.dev/v1/registry").json().get("spec") or {}
        except (httpx.HTTPError, ValueError, AttributeError):
            return ""
        port = str(spec.get("address") or "").rpartition(":")[2]
        return f"localhost:{port}" if spec.get("enabled") and port else ""

    def create(self, build: dict[str, Any]) -> str:
        """Its name. Raises `SendError` with the server's sentence."""
        response = self._client.post(self._builds, json=build)
        _check(response)
        return str(response.json()["metadata"]["name"])

    def delete(self, name: str) -> None:
        self._client.delete(f"{self._builds}/{name}")

    def upload(self, name: str, archive: Archive, tell: Callable[[int, int], None]) -> None:
        """From where the server has it, however often the connection breaks."""
        done = 0
        while True:
            archive.file.seek(done)
            piece = archive.file.read(PIECE_BYTES)
            done, complete = patiently(lambda at=done, data=piece: self._send(name, archive, at, data))  # type: ignore[misc]
            tell(done, archive.size)
            if complete:
                return

    def _send(self, name: str, archive: Archive, start: int, piece: bytes) -> tuple[int, bool]:
        headers = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{archive.size}"}
        url = f"{self._builds}/{name}/context?digest={archive.digest}"
        response = self._client.put(url, content=piece, headers=headers)
        if response.status_code == 416 or response.status_code in _AGAIN:
            return self._where(name, response)
        _check(response)
        return int(response.json()["received"]), bool(response.json()["complete"])

    def _where(self, name: str, refused: httpx.Response) -> tuple[int, bool]:
        """After a break: what is there. A server that has nothing new to say is asked again later."""
        state = self._client.get(f"{self._builds}/{name}/context")
        _check(state)
        found = state.json()
        if refused.status_code not in (409, 416):
            raise httpx.ConnectError(_sentence(refused))
        return int(found["received"]), bool(found["complete"])

    def follow(self, name: str) -> dict[str, Any]:
        """Prints its log as it comes. The build, at its end."""
        shown = False
        said = ""
        for build in self._states(name):
            status = build.get("status") or {}
            phase = status.get("phase")
            if phase in ENDED:
                if not shown and status.get("podName"):
                    self._log(name)
                return build
            if phase == BUILDING and not shown:
                shown = self._log(name)
            elif (sentence := _waiting(status)) and sentence != said and not shown:
                said = sentence
                print(sentence, file=sys.stderr)
        raise SendError(f"build {name} is gone: somebody has deleted it")

    def _states(self, name: str) -> Iterator[dict[str, Any]]:
        """The build, each time it may have changed, until it is gone."""
        while True:
            response = patiently(lambda: self._client.get(f"{self._builds}/{name}"))
            if response.status_code == 404:
                return
            _check(response)
            yield response.json()
            self._wait(name, response.json()["metadata"]["resourceVersion"])

    def _wait(self, name: str, revision: str) -> None:
        """Until something happens to it, or a while has passed."""
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": revision,
            "timeoutSeconds": "20",
        }
        try:
            with self._client.stream("GET", self._builds, params=query) as stream:
                for _ in stream.iter_lines():
                    return
        except httpx.HTTPError:
            time.sleep(0.5)

    def _log(self, name: str) -> bool:
        """Whether there was one."""
        try:
            timeout = httpx.Timeout(30.0, read=None)
            with self._client.stream("GET", f"{self._builds}/{name}/log?follow=true", timeout=timeout) as stream:
                if stream.status_code != 200:
                    return False
                for text in stream.iter_text():
                    print(text, end="", flush=True)
        except httpx.HTTPError as error:
            print(f"the log broke off: {error}", file=sys.stderr)
        return True


def _waiting(status: dict[str, Any]) -> str:
    if status.get("phase") in (None, "", PENDING, FAILED):
        return ""
    conditions = status.get("conditions") or ()
    why = next((each.get("message") for each in conditions if each["type"] == "Complete"), "")
    position = status.get("queuePosition")
    return f"{status['phase']}{f' ({position})' if position else ''}: {why or 'it begins'}"


def patiently(attempt: Callable[[], T]) -> T:
    deadline, wait = time.monotonic() + PATIENCE_SECONDS, 0.25
    while True:
        try:
            return attempt()
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise SendError(f"the server does not answer: {error}") from None
            time.sleep(wait)
            wait = min(wait * 2, 5.0)


def _check(response: httpx.Response) -> None:
    if response.status_code >= 300:
        raise SendError(_sentence(response))


def _sentence(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError, json.JSONDecodeError):
        return f"the server answered with HTTP {response.status_code}"
