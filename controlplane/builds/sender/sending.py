"""A build through the API: made, given its context in pieces, followed to its end."""

from __future__ import annotations

import codecs
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from controlplane.builds.sender.client import Answer, Client, Unreachable
from controlplane.builds.sender.errors import SendError
from controlplane.builds.sender.pack import Archive
from schema.slipway.building import BUILDING, ENDED, FAILED, PENDING

PIECE_BYTES = 8 * 1024 * 1024
PATIENCE_SECONDS = 120.0
"""How long a server that does not answer is asked again."""
WATCH_SECONDS = 20
_JSON = {"Content-Type": "application/json"}
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})
T = TypeVar("T")


class Sending:
    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self.last_word = ""
        """A line of error at the log's end, which was not printed."""
        self._builds = f"/apis/slipway.dev/v1/namespaces/{namespace}/builds"

    def registry(self) -> str:
        """The name of the cluster's registry in tags; empty where there is none."""
        try:
            spec = self._client.request("GET", "/apis/slipway.dev/v1/registry").json().get("spec") or {}
        except (Unreachable, ValueError, AttributeError):
            return ""
        port = str(spec.get("address") or "").rpartition(":")[2]
        return f"localhost:{port}" if spec.get("enabled") and port else ""

    def create(self, build: dict[str, Any]) -> str:
        """Its name. Raises `SendError` with the server's sentence."""
        answer = self._client.request("POST", self._builds, json.dumps(build).encode(), _JSON)
        _check(answer)
        return str(answer.json()["metadata"]["name"])

    def delete(self, name: str) -> None:
        self._client.request("DELETE", f"{self._builds}/{name}")

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
        answer = self._client.request("PUT", f"{self._builds}/{name}/context?digest={archive.digest}", piece, headers)
        if answer.status == 416 or answer.status in _AGAIN:
            return self._where(name, answer)
        _check(answer)
        return int(answer.json()["received"]), bool(answer.json()["complete"])

    def _where(self, name: str, refused: Answer) -> tuple[int, bool]:
        """After a break: what is there. A server that has nothing new to say is asked again later."""
        state = self._client.request("GET", f"{self._builds}/{name}/context")
        _check(state)
        found = state.json()
        if refused.status not in (409, 416):
            raise Unreachable(_sentence(refused))
        return int(found["received"]), bool(found["complete"])

    def follow(self, name: str) -> dict[str, Any]:
        """Prints its log as it comes. The build, at its end."""
        shown = False
        said = ""
        for build in self._states(name):
            status = build.get("status") or {}
            phase = status.get("phase")
            if phase in ENDED:
                if not shown and (status.get("podName") or status.get("sameAs")):
                    self._log(name)
                return build
            if phase == BUILDING and not shown:
                shown = self._log(name)
            elif (sentence := _waiting(status)) and sentence != said and not shown:
                said = sentence
                print(sentence, file=sys.stderr)
        raise SendError(f"build {name} is gone: somebody has deleted it")

    def _states(self, name: str) -> Iterator[dict[str, Any]]:
        """The build, each time it has changed, until it is gone."""
        while True:
            answer = patiently(lambda: self._client.request("GET", f"{self._builds}/{name}"))
            if answer.status == 404:
                return
            _check(answer)
            build = answer.json()
            yield build
            yield from self._changes(name, build["metadata"]["resourceVersion"])

    def _changes(self, name: str, revision: str) -> Iterator[dict[str, Any]]:
        """As they are told, for a while. What is missed is asked for then."""
        query = {"watch": "1", "fieldSelector": f"metadata.name={name}", "resourceVersion": revision}
        query["timeoutSeconds"] = str(WATCH_SECONDS)
        try:
            with self._client.stream(self._builds, query, silence_seconds=WATCH_SECONDS * 2.0) as (status, pieces):
                if status != 200:
                    raise Unreachable(f"the server answers {status}")
                for line in _lines(pieces):
                    event = json.loads(line)
                    if event.get("type") not in ("ADDED", "MODIFIED"):
                        return
                    yield event["object"]
        except (Unreachable, ValueError, KeyError):
            time.sleep(0.5)

    def _log(self, name: str) -> bool:
        """Whether there was one."""
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        path = f"{self._builds}/{name}/log"
        try:
            with self._client.stream(path, {"follow": "true"}, silence_seconds=None) as (status, pieces):
                if status != 200:
                    return False
                for piece in pieces:
                    self._show(decoder.decode(piece))
        except Unreachable as error:
            print(f"the log broke off: {error}", file=sys.stderr)
        return True

    def _show(self, text: str) -> None:
        """An error waits until something follows it: the build's end says it too, with its reason."""
        lines = (self.last_word + text).splitlines(keepends=True)
        self.last_word = lines.pop() if lines and lines[-1].startswith("error: ") else ""
        print("".join(lines), end="", flush=True)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


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
        except Unreachable as error:
            if time.monotonic() > deadline:
                raise SendError(f"the server does not answer: {error}") from None
            time.sleep(wait)
            wait = min(wait * 2, 5.0)


def _check(answer: Answer) -> None:
    if answer.status >= 300:
        raise SendError(_sentence(answer))


def _sentence(answer: Answer) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered with HTTP {answer.status}"
