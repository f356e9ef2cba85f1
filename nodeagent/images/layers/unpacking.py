"""One layer's way in: bytes from a source, through the confined unpacking process, into a directory of its own.

`Unpacking` is the parent's side of `process`. It digests what it feeds (the registry's promise), the process digests what
comes out (the image's promise, the diff id); the caller compares both before it renames the directory into place.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent import kernel
from nodeagent.images import errors
from nodeagent.images.flights import in_thread
from nodeagent.images.settings import Limits

_LARGEST_ANSWER = 64 * 1024 * 1024
_PIPE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_HASH_STEP = 4 * 1024 * 1024

_BOOT = "import sys; sys.path[:0] = sys.argv.pop().split(':'); from nodeagent.images.layers.process import main; main()"

Feed = Callable[[int], AsyncIterator[bytes]]
"""Called with the byte to begin at."""


@dataclass(frozen=True)
class Unpacked:
    """What the unpacking process says it has made. ``size`` counts file bytes; ``digest`` is of what was fed."""

    digest: str
    fed_bytes: int
    diff_id: str
    size: int
    entries: int
    opaque: tuple[str, ...]
    implied: tuple[str, ...]
    """Directories that had no entry of their own: their owner and mode are a lower layer's business."""


async def unpack(
    feed: Feed, directory: Path, *, limits: Limits, partial: int = -1, name: str = "the layer"
) -> Unpacked:
    """Unpack into an empty ``directory`` (an absolute path).

    ``partial`` is a descriptor of the file that keeps the compressed bytes; what it holds already is used first.
    Raises `errors.HostileLayer`, `errors.BadImage` (a broken archive) or `errors.StoreError` (this node's fault).
    """
    resume = os.fstat(partial).st_size if partial >= 0 else 0
    digest = hashlib.sha256()
    if resume:
        await in_thread(_digest_file, partial, digest)
    process = await _start(directory, limits, partial, resume)
    fed = resume
    try:
        try:
            async for chunk in feed(resume):
                digest.update(chunk)
                fed += len(chunk)
                if not await _write(process, chunk):
                    break
        finally:
            _close_input(process)
        answer = await _answer(process)
    finally:
        await _end(process)
    return _judge(answer, name, digest="sha256:" + digest.hexdigest(), fed=fed)


def _digest_file(descriptor: int, digest: Any) -> None:
    """The file's position is left at its beginning, for the unpacking process to read."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    while data := os.read(descriptor, _HASH_STEP):
        digest.update(data)
    os.lseek(descriptor, 0, os.SEEK_SET)


class _Process:
    """The unpacking process, with its pipes known to be there."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("both pipes are needed")
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout


async def _start(directory: Path, limits: Limits, partial: int, resume: int) -> _Process:
    free = _free_bytes(directory) - limits.reserve_bytes
    if free <= 0:
        raise errors.StoreError(f"the file system of {directory} is full: no image can be unpacked")
    numbers = (partial, resume, limits.entries, limits.unpacked_bytes, free, limits.expansion)
    arguments = [str(directory), *map(str, numbers), ":".join(_import_paths())]
    command = [sys.executable, "-I", "-S", "-c", _BOOT, *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(partial,) if partial >= 0 else (),
        limit=_LARGEST_ANSWER,
        env={},
        start_new_session=True,  # a terminal's Ctrl-C is for us, who end it in order
        cwd="/",
    )
    child = _Process(process)
    _widen(child)
    return child


def _import_paths() -> list[str]:
    """Of our own package and of the decompressors: the process looks nowhere else (``-I -S``)."""
    import importlib.util

    paths = [str(Path(__file__).resolve().parents[3])]
    for name in ("zstandard", "isal"):
        found = importlib.util.find_spec(name)
        if found is not None and found.origin:
            paths.append(str(Path(found.origin).parents[1]))
    return list(dict.fromkeys(paths))


def _widen(process: _Process) -> None:
    pipe = process.stdin.transport.get_extra_info("pipe")
    with contextlib.suppress(OSError, AttributeError, ValueError):  # it may have ended already
        fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)


async def _write(process: _Process, chunk: bytes) -> bool:
    """False once the process no longer reads: it then has something to say."""
    try:
        process.stdin.write(chunk)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _close_input(process: _Process) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.close()


async def _answer(process: _Process) -> list[str]:
    data = bytearray()
    while piece := await process.stdout.read(65536):
        data += piece
        if len(data) > _LARGEST_ANSWER:
            raise errors.HostileLayer("the layer has more odd entries than can be told")
    code = await process.process.wait()
    if not data:
        how = f"signal {-code}" if code < 0 else f"code {code}"
        raise errors.StoreError(f"the unpacking process ended with {how} before it was done")
    return os.fsdecode(bytes(data)).split("\0")


async def _end(process: _Process) -> None:
    """Nothing of the process is left when this returns, however it came here (cancellation included)."""
    if process.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.process.kill()
        await asyncio.shield(_gone(process))


async def _gone(process: _Process) -> None:
    await process.process.wait()
    # Its own child, which keeps the partial file locked, dies with it: the last to have standard output open.
    while await process.stdout.read(65536):
        pass


def _judge(answer: list[str], name: str, *, digest: str, fed: int) -> Unpacked:
    """See `unpack.main` for the answer's form. What is said comes from a process that may have been taken over."""
    kind, text = answer[0], answer[1] if len(answer) > 1 else ""
    if kind == "hostile":
        raise errors.HostileLayer(f"{name} is refused: {text[:1000]}")
    if kind == "broken":
        raise errors.BadImage(f"{name} cannot be unpacked: {text[:1000]}")
    if kind != "ok":
        raise errors.StoreError(f"{name} cannot be unpacked on this node: {text[:1000]}")
    try:
        diff_id, size, entries, opaque = answer[1], int(answer[2]), int(answer[3]), int(answer[4])
    except (IndexError, ValueError):
        raise errors.HostileLayer(f"{name} is refused: its unpacking ended in nonsense") from None
    paths = answer[5:]
    return Unpacked(digest, fed, diff_id, size, entries, tuple(paths[:opaque]), tuple(paths[opaque:]))


def mark_opaque(directory: Path, paths: tuple[str, ...]) -> None:
    """Set overlayfs' attribute on directories that hide what is below. Takes CAP_SYS_ADMIN, so the parent does it."""
    for path in paths:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        descriptor = kernel.open_beneath(directory, path, flags, resolve=kernel.RESOLVE_NO_SYMLINKS)
        try:
            os.setxattr(descriptor, "trusted.overlay.opaque", b"y")
        finally:
            os.close(descriptor)


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
