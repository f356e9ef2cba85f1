"""Decompression with a bound on how much may come out (runs in the unpacking process; standard library, isal and zstandard)."""

from __future__ import annotations

import hashlib
import os

TYPE_CHECKING = False  # as typing's: importing that would take longer than unpacking a small layer
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol
else:
    Protocol = object

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_STEP = 512 * 1024
_LARGEST_WINDOW = 1 << 27
"""Of zstd: 128 MiB, what ``zstd --long`` uses and ``zstd -d`` takes by default."""
_SLACK = 8 * 1024 * 1024
"""Output that is allowed whatever the input: small layers are mostly padding."""


class InflateError(Exception):
    """The stream is broken, or a bomb. ``kind`` is for the answer."""

    def __init__(self, message: str, kind: str = "broken") -> None:
        super().__init__(message)
        self.kind = kind


class Input(Protocol):
    taken: int

    def read(self, count: int = ...) -> bytes: ...


def kind_of(first: bytes) -> str:
    if first.startswith(_GZIP):
        return "gzip"
    if first.startswith(_ZSTD) or first[1:4] == _ZSTD_SKIPPABLE:
        return "zstd"
    return "none"


class Inflater:
    """Decompresses one layer. Made before the process is confined, since zstandard must still be found then."""

    def __init__(self, kind: str, expansion: int, stream_bytes: int) -> None:
        self._kind, self._expansion, self._stream_bytes = kind, expansion, stream_bytes
        self._zstandard: Any = None
        self._zlib: Any = None
        if kind == "zstd":
            import zstandard

            self._zstandard = zstandard
        elif kind == "gzip":
            self._zlib = _zlib()

    def run(self, source: Input, output: int) -> str:
        """Write what comes out to ``output``; its digest."""
        digest, size = hashlib.sha256(), 0
        for data in self._plain(source):
            size += len(data)
            self._check(size, source.taken)
            digest.update(data)
            _write(output, data)
        os.close(output)
        while source.read():  # whatever follows the compressed stream is covered by the blob's digest
            pass
        return "sha256:" + digest.hexdigest()

    def _check(self, size: int, taken: int) -> None:
        if size > taken * self._expansion + _SLACK:
            raise InflateError(
                f"a {self._kind} bomb: {taken} bytes have grown to more than {self._expansion} times as many", "hostile"
            )
        if size > self._stream_bytes:
            raise InflateError(f"it unpacks to more than {self._stream_bytes} bytes, the most that is taken", "hostile")

    def _plain(self, source: Input) -> Iterator[bytes]:
        if self._kind == "gzip":
            return _gunzip(source, self._zlib)
        if self._kind == "zstd":
            return self._unzstd(source)
        return _copy(source)

    def _unzstd(self, source: Input) -> Iterator[bytes]:
        decompressor = self._zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        reader = decompressor.stream_reader(source, read_size=131072, read_across_frames=True)
        try:
            while data := reader.read(_STEP):
                yield data
        except self._zstandard.ZstdError as error:
            raise InflateError(f"its zstd stream is broken: {error}") from None


def _copy(source: Input) -> Iterator[bytes]:
    while data := source.read(_STEP):
        yield data


def _zlib() -> Any:
    """ISA-L's, which needs a third of the time; it is made for x86-64 and arm64 only."""
    try:
        from isal import isal_zlib
    except ImportError:
        import zlib

        return zlib
    return isal_zlib


def _gunzip(source: Input, library: Any) -> Iterator[bytes]:
    """Several gzip members after another are one stream; zeros after the last are padding."""
    data = source.read()
    while data:
        stream = library.decompressobj(31)
        try:
            while not stream.eof:
                plain = stream.decompress(data, _STEP)
                if plain:
                    yield plain
                data = stream.unconsumed_tail
                if not data and not stream.eof and len(plain) < _STEP:
                    data = source.read()
                    if not data:
                        raise InflateError("its gzip stream is cut in the middle")
        except library.error as error:
            raise InflateError(f"its gzip stream is broken: {error}") from None
        data = _next_member(stream.unused_data, source)


def _next_member(rest: bytes, source: Input) -> bytes:
    rest = rest.lstrip(b"\0")
    while len(rest) < 2:
        more = source.read()
        if not more:
            break
        rest = (rest + more).lstrip(b"\0")
    if rest and not rest.startswith(_GZIP):
        raise InflateError("something that is not gzip follows its gzip stream")
    return rest


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
