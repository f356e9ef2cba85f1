"""File locks between the processes that share a store (agent, ``nodeagent image …``). They end with their holder.

flock belongs to the open file, so a lock's descriptor that an unpacking process inherits holds the lock as long as that
process lives: a killed agent's last writer is never overlooked.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path


def exclusive(path: Path) -> AbstractContextManager[None]:
    """For moments only: blocks the thread."""
    return _held(path, fcntl.LOCK_EX)


def shared(path: Path) -> AbstractContextManager[None]:
    """Likewise."""
    return _held(path, fcntl.LOCK_SH)


@contextlib.contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Whether nobody holds the lock, in which case we do for the block. The file need not be there."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def shared_while(path: Path) -> AsyncIterator[None]:
    """As `shared`, for long, and without blocking the event loop."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await _lock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def owned_file(path: Path) -> AsyncIterator[int]:
    """Open, and be the only one to have, a file that its owner may unlink when done. Waits for another owner."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            await _lock(descriptor, fcntl.LOCK_EX)
            if _is_still(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


async def _lock(descriptor: int, how: int) -> None:
    """Wait in a thread of its own, which neither cancellation nor the end of the loop has to wait for.

    The thread has its own copy of the descriptor: given up, the lock is free as soon as the thread has got it.
    """
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    loop = asyncio.get_running_loop()
    locked: asyncio.Future[None] = loop.create_future()
    copy = os.dup(descriptor)

    def wait() -> None:
        try:
            fcntl.flock(copy, how)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, locked)
            os.close(copy)

    threading.Thread(target=wait, daemon=True, name="image lock").start()
    await locked


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the file was not unlinked while we waited."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
