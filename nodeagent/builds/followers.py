"""Tells the control plane how builds get on, and hands builders the logins that they ask for.

One task for each build, which sleeps until the builder writes into ``out/``. What could not be told is told again; an agent that
starts anew reads the same files. The last word is the pod's termination message, so nothing depends on this.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import Any

from nodeagent.builds.client import Client, Refused
from nodeagent.builds.places import BuildKey
from nodeagent.errors import AgentError
from nodeagent.images.flights import in_thread
from nodeagent.streams.inotify import Watcher

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.2
"""Steps that follow each other quickly share a message."""
RETRY_SECONDS = 5.0


class Followers:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._watcher = Watcher()

    def follow(self, work: Path) -> None:
        running = self._tasks.get(work)
        if running is None:
            self._tasks[work] = asyncio.create_task(self._follow(work), name=f"build {work.name}")

    def forget(self, work: Path) -> None:
        """From any thread."""
        task = self._tasks.pop(work, None)
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watcher.close()

    async def _follow(self, work: Path) -> None:
        following = _Following(work, self._client)
        try:
            with self._watcher.watch(work / "out") as changed:
                while not following.over:
                    changed.clear()
                    settled = await self._look(following)
                    await _wait(changed, None if settled else RETRY_SECONDS)
                    await asyncio.sleep(GATHER_SECONDS)
        except OSError as error:  # its directory is gone
            log.debug("build %s is followed no longer: %s", work.name, error)

    async def _look(self, following: _Following) -> bool:
        try:
            await in_thread(following.look)
        except AgentError as error:
            log.warning("build %s: %s", following.name, error)
            return False
        return True


async def _wait(changed: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        pass


class _Following:
    """What was told of one build."""

    def __init__(self, work: Path, client: Client) -> None:
        self._work, self._client = work, client
        self.name = work.name
        self._key = BuildKey.of(work)
        self._told: dict[str, Any] = {}
        self.over = False

    def look(self) -> None:
        asked = _read(self._work / "out" / "ask.json")
        if asked:
            self._answer(asked)
        status = _read(self._work / "out" / "status.json")
        if status and status != self._told:
            try:
                self._client.progress(self._key, {name: value for name, value in status.items() if name != "over"})
            except Refused as refused:
                log.info("build %s: nobody wants to know how it gets on: %s", self.name, refused)
            self._told = status
        self.over = bool(status.get("over"))

    def _answer(self, asked: dict[str, Any]) -> None:
        """Each question has a number, and so has its answer."""
        answered = _read(self._work / "in" / "login.json")
        if answered.get("number") == asked.get("number"):
            return
        try:
            login = self._client.login(self._key, {name: asked.get(name) or [] for name in ("pull", "push")})
        except Refused as refused:
            login = {"refusal": str(refused), "code": refused.code}
        _write_private(self._work / "in" / "login.json", {"number": asked.get("number"), **login})


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_private(file: Path, value: dict[str, Any]) -> None:
    draft = file.with_name(f"{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(json.dumps(value))
    draft.rename(file)
