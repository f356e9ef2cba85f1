"""The unpacking process: one layer from standard input into one directory. Started by `layers`, never imported by it.

Two processes, so that a second core helps and each can do little harm:

    stdin (or the partial file, then stdin) → [inflate: keep, decompress, digest] → pipe → [extract: read tar, make files]

Both are confined (`confine`) before they look at the first byte beyond the magic number. The answer is one line of JSON on
standard output: `{"diff_id", "size", "entries", "opaque", "implied"}`, or `{"error", "kind"}`.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sys
from typing import Any

from nodeagent.images import confine
from nodeagent.images.extract import Extractor, Refused
from nodeagent.images.inflate import InflateError, Inflater, kind_of
from nodeagent.images.tarstream import Source, TarError

_PIPE_BYTES = 1024 * 1024
_F_SETPIPE_SZ = 1031
_NOBODY = 65534


def main() -> None:
    options = json.loads(sys.argv[1])
    try:
        answer = _unpack(options)
    except Refused as error:
        answer = {"error": str(error), "kind": "hostile"}
    except (TarError, InflateError) as error:
        answer = {"error": str(error), "kind": "broken"}
    except MemoryError:
        answer = {"error": "unpacking it takes more memory than any honest layer does", "kind": "hostile"}
    except OSError as error:
        answer = _trouble(error)
    with os.fdopen(1, "wb") as out:
        out.write(json.dumps(answer).encode())


def _trouble(error: OSError) -> dict[str, Any]:
    name = f" ({os.fsdecode(error.filename)})" if error.filename else ""
    kind = "disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "node"
    return {"error": f"{error.strerror or error}{name}", "kind": kind}


def _unpack(options: dict[str, Any]) -> dict[str, Any]:
    partial, resume = options["partial"], options["resume"]
    first = _first_bytes(partial if resume else 0)
    inflater = Inflater(kind_of(first), options["expansion"], options["stream_bytes"])
    os.umask(0)
    confine.limit_resources()
    confine.enter(options["directory"])
    pipe_out, pipe_in = os.pipe()
    result_out, result_in = os.pipe()
    _widen(pipe_in)
    if os.fork() == 0:
        _run_inflater(inflater, first, partial=partial, resume=resume, output=pipe_in, result=result_in)
    for descriptor in (0, pipe_in, result_in, *((partial,) if partial >= 0 else ())):
        os.close(descriptor)
    confine.limit_files(options["unpacked_bytes"])
    confine.give_up_privileges(confine.UNPACKING)
    return _extract(options, pipe_out, result_out)


def _extract(options: dict[str, Any], pipe: int, result: int) -> dict[str, Any]:
    source = Source(lambda: os.read(pipe, _PIPE_BYTES))
    extractor = Extractor(source, entries=options["entries"], unpacked_bytes=options["unpacked_bytes"])
    failure: Exception | None = None
    try:
        extractor.run()
        source.drain()
    except TarError as error:
        failure = error
        os.close(pipe)
    inflated = _read_result(result)
    if "error" in inflated:
        # A broken stream makes a broken archive: its cause is what to tell.
        return inflated
    if failure is not None:
        raise failure
    return {**inflated, **extractor.summary()}


def _read_result(descriptor: int) -> dict[str, Any]:
    data = b""
    while piece := os.read(descriptor, 65536):
        data += piece
    os.wait()
    if not data:
        return {}
    answer: dict[str, Any] = json.loads(data)
    return answer


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


def _run_inflater(inflater: Inflater, first: bytes, *, partial: int, resume: int, output: int, result: int) -> None:
    """Never returns. Needs no file system and no rights at all."""
    answer: dict[str, Any] = {}
    try:
        confine.die_with_parent(signal.SIGKILL)
        confine.give_up_privileges((), user=_NOBODY)
        answer = inflater.run(_Input(first, partial, resume), output)
    except InflateError as error:
        answer = {"error": str(error), "kind": error.kind}
    except MemoryError:
        answer = {"error": "decompressing it takes more memory than any honest layer does", "kind": "hostile"}
    except BrokenPipeError:
        pass  # the extractor gave up and says why
    except OSError as error:
        answer = _trouble(error)
    try:
        os.write(result, json.dumps(answer).encode())
    finally:
        os._exit(0)


class _Input:
    """The compressed bytes: what an earlier try left in the partial file, then standard input, which is appended."""

    def __init__(self, first: bytes, partial: int, resume: int) -> None:
        self.taken = 0
        self._first, self._partial, self._resume = first, partial, resume - len(first) if resume else 0
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
