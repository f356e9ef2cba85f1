"""File locks between the processes that share a store (agent, ``nodeagent image …``). They end with their holder.

flock belongs to the open file, so a lock's descriptor that an unpacking process inherits holds the lock as long as that
process lives: a killed agent's last writer is never overlooked.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """For moments only: blocks the thread."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def shared(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
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
async def owned_file(path: Path) -> AsyncIterator[int]:
    """Open, and be the only one to have, a file that its owner may unlink when done. Waits for another owner."""
    descriptor = await asyncio.shield(asyncio.ensure_future(_own(path)))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def _own(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        if _is_still(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the file was not unlinked while we waited."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
