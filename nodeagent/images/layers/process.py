"""The unpacking process: one layer from standard input into one directory. Started by `unpacking`, never imported by it.

Two processes, so that a second core helps and each can do little harm:

    stdin (or the partial file, then stdin) → [inflate: keep, decompress, digest] → pipe → [extract: read tar, make files]

Both are confined (`confine`) before they look at the first byte beyond the magic number. Arguments and answer are strings
separated by zero bytes (see `Options` and `main`): modules like json or typing take longer to import than a small layer
takes to unpack.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys

from nodeagent.images.layers import confine
from nodeagent.images.layers.extract import Extractor, Refused
from nodeagent.images.layers.inflate import InflateError, Inflater, kind_of
from nodeagent.images.layers.tarstream import Source, TarError

_PIPE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_NOBODY = 65534
_ENTRY_BYTES = 2048
"""Of the stream, for an entry's headers and padding."""


class Options:
    """The process's arguments, in this order."""

    def __init__(self, arguments: list[str]) -> None:
        self.directory = arguments[0]
        self.partial = int(arguments[1])
        """Descriptor of the file that keeps the compressed bytes, or -1."""
        self.resume = int(arguments[2])
        """How many of them it holds already."""
        self.entries = int(arguments[3])
        self.unpacked_bytes = int(arguments[4])
        self.free_bytes = int(arguments[5])
        """Of the disk, less what is to be left alone."""
        self.expansion = int(arguments[6])


def main() -> None:
    """Writes ``ok, diff id, size, entries, number of opaque paths, *opaque paths, *implied paths``, or ``kind, sentence``."""
    try:
        answer = _unpack(Options(sys.argv[1:]))
    except Refused as error:
        answer = ["hostile", str(error)]
    except TarError as error:
        answer = ["broken", str(error)]
    except MemoryError:
        answer = ["hostile", "unpacking it takes more memory than any honest layer does"]
    except OSError as error:
        answer = _trouble(error)
    try:
        _send(1, answer)
    except BrokenPipeError:
        return  # whoever asked has gone


def _trouble(error: OSError) -> list[str]:
    name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
    kind = "disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "node"
    return [kind, f"{error.strerror or error}{name}"]


def _send(descriptor: int, answer: list[str]) -> None:
    view = memoryview(os.fsencode("\0".join(answer)))
    while view:
        view = view[os.write(descriptor, view) :]
    os.close(descriptor)


def _unpack(options: Options) -> list[str]:
    first = _first_bytes(options.partial if options.resume else 0)
    inflater = Inflater(kind_of(first), options.expansion, options.unpacked_bytes + options.entries * _ENTRY_BYTES)
    os.umask(0)
    confine.limit_resources()
    confine.enter(options.directory)
    pipe_out, pipe_in = os.pipe()
    result_out, result_in = os.pipe()
    _widen(pipe_in)
    if os.fork() == 0:
        os.close(pipe_out)
        _run_inflater(inflater, _Input(first, options.partial, options.resume), output=pipe_in, result=result_in)
    for descriptor in (0, pipe_in, result_in, *((options.partial,) if options.partial >= 0 else ())):
        os.close(descriptor)
    confine.limit_files(min(options.unpacked_bytes, options.free_bytes))
    confine.give_up_privileges(confine.UNPACKING)
    return _extract(options, pipe_out, result_out)


def _extract(options: Options, pipe: int, result: int) -> list[str]:
    source = Source(lambda: os.read(pipe, _PIPE_BYTES))
    extractor = Extractor(
        source, entries=options.entries, unpacked_bytes=options.unpacked_bytes, free_bytes=options.free_bytes
    )
    failure: TarError | None = None
    try:
        extractor.run()
        source.drain()
    except TarError as error:
        failure = error
        os.close(pipe)
    inflated = _read_result(result)
    if inflated[0] != "ok":
        # A broken stream makes a broken archive: its cause is what to tell.
        return inflated
    if failure is not None:
        raise failure
    made = extractor.summary()
    return ["ok", inflated[1], str(made.size), str(made.entries), str(len(made.opaque)), *made.opaque, *made.implied]


def _read_result(descriptor: int) -> list[str]:
    data = b""
    while piece := os.read(descriptor, 65536):
        data += piece
    os.wait()
    return os.fsdecode(data or b"node\0the decompressing process was killed").split("\0")


def _first_bytes(descriptor: int) -> bytes:
    """Enough to tell the compression by, as Docker does: media types lie."""
    data = b""
    while len(data) < 4 and (piece := os.read(descriptor, 4 - len(data))):
        data += piece
    return data


def _widen(pipe: int) -> None:
    try:
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError:
        return  # a small pipe is slower, nothing else


def _run_inflater(inflater: Inflater, source: _Input, *, output: int, result: int) -> None:
    """Never returns. Needs no file system and no rights at all."""
    answer = ["broken", "the extracting process stopped reading"]
    try:
        confine.die_with_parent()
        confine.give_up_privileges((), user=_NOBODY)
        answer = ["ok", inflater.run(source, output)]
    except InflateError as error:
        answer = [error.kind, str(error)]
    except MemoryError:
        answer = ["hostile", "decompressing it takes more memory than any honest layer does"]
    except BrokenPipeError:
        answer = ["ok", ""]  # the extractor gave up, and says why
    except OSError as error:
        answer = _trouble(error)
    try:
        _send(result, answer)
    finally:
        os._exit(0)


class _Input:
    """The compressed bytes: what an earlier try left in the partial file, then standard input, which is appended."""

    def __init__(self, first: bytes, partial: int, resume: int) -> None:
        self.taken = 0
        self._first, self._partial = first, partial
        self._resume = resume - len(first) if resume else 0
        if not resume:
            self._keep(first)

    def read(self, count: int = 131072) -> bytes:
        if self._first:
            data, self._first = self._first, b""
        elif self._resume > 0:
            data = os.read(self._partial, min(count, self._resume))
            self._resume -= len(data)
        else:
            data = os.read(0, count)
            self._keep(data)
        self.taken += len(data)
        return data

    def _keep(self, data: bytes) -> None:
        if self._partial < 0:
            return
        view = memoryview(data)
        while view:
            view = view[os.write(self._partial, view) :]


if __name__ == "__main__":
    main()
