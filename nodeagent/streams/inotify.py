"""Changes in directories, for those who follow files: one inotify descriptor for the whole agent.

The kernel allows a user 128 descriptors by default but many thousand watches, so followers share.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nodeagent import kernel

_MASK = kernel.IN_MODIFY | kernel.IN_CREATE | kernel.IN_MOVED_TO | kernel.IN_CLOSE_WRITE


class Watcher:
    def __init__(self) -> None:
        self._descriptor = -1
        self._events: dict[int, list[asyncio.Event]] = {}

    @contextmanager
    def watch(self, directory: Path) -> Iterator[asyncio.Event]:
        """An event that is set at every change in the directory; the user clears it before looking."""
        if self._descriptor < 0:
            self._descriptor = kernel.inotify_init()
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        number = kernel.inotify_add(self._descriptor, directory, _MASK)
        event = asyncio.Event()
        self._events.setdefault(number, []).append(event)
        try:
            yield event
        finally:
            self._forget(number, event)

    def _forget(self, number: int, event: asyncio.Event) -> None:
        events = self._events.get(number, [])
        events.remove(event)
        if not events and self._descriptor >= 0:
            del self._events[number]
            with suppress(OSError):  # the directory is gone, and the watch with it
                kernel.inotify_remove(self._descriptor, number)

    def _read(self) -> None:
        try:
            watches = kernel.inotify_watches(os.read(self._descriptor, 65536))
        except BlockingIOError:
            return
        numbers = list(self._events) if -1 in watches else watches
        for number in numbers:
            for event in self._events.get(number, ()):
                event.set()

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
