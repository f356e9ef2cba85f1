"""Logs: read from the end, with their options, and followed across rotation without losing or doubling a line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.pods import identity
from nodeagent.streams import log_stream, logfile
from nodeagent.streams.inotify import Watcher
from schema.session import LogOptions

START = datetime(2026, 1, 1, tzinfo=UTC)


def raw(number: int, text: str, *, tag: str = "F", stream: str = "stdout") -> str:
    stamp = (START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000+00:00"
    return f"{stamp} {stream} {tag} {text}\n"


def directory(home: Path) -> Path:
    path = identity.log_dir(home, "u", "web")
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(home: Path, name: str, *lines: str) -> None:
    with (directory(home) / name).open("a") as file:
        file.write("".join(lines))


def read(home: Path, *, attempt: int = 0, **options: Any) -> bytes:
    reader = log_stream.Reader(home, "u", "web", attempt, LogOptions(**options))
    pieces = []
    while piece := reader.read():
        pieces.append(piece)
    pieces.append(reader.rest())
    reader.close()
    return b"".join(pieces)


def numbers(count: int, first: int = 0) -> list[str]:
    return [raw(number, f"line {number}") for number in range(first, first + count)]


def test_it_gives_whole_lines_of_both_streams_in_order(tmp_path):
    write(tmp_path, "0.log", raw(1, "one"), raw(2, "two", stream="stderr"), raw(3, ""))
    assert read(tmp_path) == b"one\ntwo\n\n"


def test_it_shows_times_as_kubernetes_does(tmp_path):
    write(tmp_path, "0.log", raw(1, "one"))
    assert read(tmp_path, timestamps=True) == b"2026-01-01T00:00:01.000000000Z one\n"


def test_pieces_of_a_line_are_joined_by_stream(tmp_path):
    write(
        tmp_path,
        "0.log",
        raw(1, "out ", tag="P"),
        raw(1, "err ", tag="P", stream="stderr"),
        raw(2, "put"),
        raw(2, "or", stream="stderr"),
    )
    assert read(tmp_path) == b"out put\nerr or\n"


def test_an_unfinished_line_is_given_at_the_end(tmp_path):
    write(tmp_path, "0.log", raw(1, "one"), raw(2, "Password: ", tag="P"))
    assert read(tmp_path) == b"one\nPassword: "


def test_an_endless_line_is_not_gathered_in_memory(tmp_path):
    piece = "x" * 16_000
    write(tmp_path, "0.log", *(raw(1, piece, tag="P") for _ in range(200)))
    reader = log_stream.Reader(tmp_path, "u", "web", 0, LogOptions())
    shown = b""
    while block := reader.read():
        shown += block
    assert len(shown) > 2 * log_stream.MAX_HELD_BYTES
    assert len(shown + reader.rest()) == 200 * 16_000


@pytest.mark.parametrize("wanted", [0, 1, 2, 5, 9, 10, 11, 100])
def test_the_last_lines_are_found_across_files(tmp_path, wanted):
    write(tmp_path, "0.log.1", *numbers(3))
    write(tmp_path, "0.log.2", *numbers(3, 3))
    write(tmp_path, "0.log", *numbers(4, 6))
    expected = [f"line {number}" for number in range(10)][-wanted:] if wanted else []
    assert read(tmp_path, tail_lines=wanted).decode().splitlines() == expected


@given(st.lists(st.integers(0, 200_000), max_size=8), st.integers(0, 10))
def test_the_last_lines_are_right_whatever_their_lengths(tmp_path_factory, lengths, wanted):
    home = tmp_path_factory.mktemp("logs")
    write(home, "0.log", *(raw(1, "x" * length) for length in lengths))
    found = read(home, tail_lines=wanted).decode().splitlines()
    assert [len(line) for line in found] == (lengths[-wanted:] if wanted else [])


def test_the_last_lines_of_a_long_log_are_found_without_reading_it(tmp_path, monkeypatch):
    write(tmp_path, "0.log", *numbers(200_000))
    touched: list[int] = []
    pread = os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        touched.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    assert read(tmp_path, tail_lines=3).decode().splitlines()[-1] == "line 199999"
    assert sum(touched) <= 2 * logfile.BLOCK


def test_lines_before_a_time_are_left_out(tmp_path):
    write(tmp_path, "0.log", *numbers(10))
    shown = read(tmp_path, since_time=START + timedelta(seconds=7)).decode().splitlines()
    assert shown == ["line 7", "line 8", "line 9"]


def test_it_ends_after_so_many_bytes(tmp_path):
    write(tmp_path, "0.log", *numbers(10))
    assert read(tmp_path, limit_bytes=10) == b"line 0\nlin"


def test_torn_and_strange_lines_do_not_end_it(tmp_path):
    write(tmp_path, "0.log", raw(1, "one"), "rubbish\n", raw(2, "two"), "2026-01-01T00:00:03Z stdo")
    assert read(tmp_path) == b"one\ntwo\n"


class Writer(threading.Thread):
    """Writes as conmon does: appends to its open file, and reopens the path when told."""

    def __init__(self, home: Path, count: int, *, rotate_every: int, keep: int) -> None:
        super().__init__(name="log writer", daemon=True)
        self.directory = directory(home)
        self.count = count
        self.rotate_every = rotate_every
        self.keep = keep
        self.rotations = 0
        self.file = (self.directory / "0.log").open("ab", buffering=0)

    def run(self) -> None:
        rng = random.Random(7)
        for number in range(self.count):
            text = f"line {number}"
            if number % 97 == 0:
                self.file.write(raw(1, text[:3], tag="P").encode())
                self.file.write(raw(1, text[3:]).encode())
            else:
                self.file.write(raw(1, text).encode())
            if number % self.rotate_every == self.rotate_every - 1:
                self._rotate()
            if rng.random() < 0.0005:
                time.sleep(0.002)
        self.file.close()

    def _rotate(self) -> None:
        files = logfile.paths(self.directory, 0)
        current = files[-1]
        current.path.rename(current.path.with_name(f"0.log.{current.number}"))
        # As conmon: a draft is made and renamed to the path, then the old file is let go.
        draft = self.directory / "0.log.tmp"
        fresh = draft.open("ab", buffering=0)
        draft.rename(self.directory / "0.log")
        self.file.close()
        self.file = fresh
        self.rotations += 1
        for old in files[: max(0, len(files) - self.keep)]:
            old.path.unlink()


@contextlib.contextmanager
def no_watch(_: asyncio.Event) -> Iterator[None]:
    yield


async def test_following_loses_and_doubles_nothing_across_rotation(tmp_path):
    writer = Writer(tmp_path, 100_000, rotate_every=1_000, keep=1_000)
    files = Watcher()
    followers = []
    for _ in range(3):
        shown = bytearray()

        async def send(piece: bytes, shown: bytearray = shown) -> None:
            shown += piece

        reader = log_stream.Reader(tmp_path, "u", "web", 0, LogOptions(follow=True))
        serving = log_stream.serve(reader, send, lambda: not writer.is_alive(), files, _woken_at_the_end(writer))
        followers.append((asyncio.create_task(serving), shown))
    writer.start()
    async with asyncio.timeout(120):
        await asyncio.gather(*(task for task, _ in followers))
    files.close()
    expected = "".join(f"line {number}\n" for number in range(100_000)).encode()
    assert writer.rotations == 100
    for _, shown in followers:
        assert bytes(shown) == expected


def _woken_at_the_end(writer: Writer) -> log_stream.Watching:
    """As `Agent.watching`: the event is set when the container has ended."""

    @contextlib.contextmanager
    def watching(event: asyncio.Event) -> Iterator[None]:
        loop = asyncio.get_running_loop()

        def tell() -> None:
            writer.join()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

        threading.Thread(target=tell, daemon=True).start()
        yield

    return watching


async def test_a_slow_reader_still_gets_files_that_were_deleted_meanwhile(tmp_path):
    """As long as it had them open: what was deleted before a reader came to it is lost, and nothing else is doubled."""
    write(tmp_path, "0.log.1", *numbers(1000))
    write(tmp_path, "0.log", *numbers(1000, 1000))
    shown = bytearray()

    async def send(piece: bytes) -> None:
        for path in directory(tmp_path).iterdir():
            path.unlink()
        shown.extend(piece)

    reader = log_stream.Reader(tmp_path, "u", "web", 0, LogOptions())
    await log_stream.serve(reader, send, lambda: True, Watcher(), no_watch)
    assert shown.decode().splitlines() == [f"line {number}" for number in range(2000)]


async def test_a_follower_sees_a_line_when_it_is_written(tmp_path):
    write(tmp_path, "0.log", raw(1, "one"))
    seen: asyncio.Queue[bytes] = asyncio.Queue()
    files = Watcher()
    reader = log_stream.Reader(tmp_path, "u", "web", 0, LogOptions(follow=True))
    serving = asyncio.create_task(log_stream.serve(reader, seen.put, lambda: False, files, no_watch))
    async with asyncio.timeout(60):
        assert await seen.get() == b"one\n"
        write(tmp_path, "0.log", raw(2, "two"))
        assert await seen.get() == b"two\n"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    files.close()
