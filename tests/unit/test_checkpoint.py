"""What an agent knows of the cluster when the one before it was killed."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeagent import checkpoint
from nodeagent.checkpoint import Checkpoint, cluster_of
from nodeagent.cluster import ClusterView
from schema.base import Wire
from schema.session import ClusterKey


def wire(name: str, kind: str = "Service", **more: Any) -> Wire:
    return {"kind": kind, "metadata": {"name": name, "namespace": "default"}, **more}


def gone(name: str) -> ClusterKey:
    return ClusterKey(kind="Service", namespace="default", name=name)


def begin(home: Path) -> tuple[Checkpoint, ClusterView]:
    kept = Checkpoint(home)
    return kept, ClusterView(kept.cluster(), save=kept.save_cluster, note=kept.note_cluster)


def known(home: Path) -> dict[str, Any]:
    """By an agent that starts now: name, and what is in it."""
    return {one["metadata"]["name"]: one.get("spec") for one in Checkpoint(home).cluster() or ()}


async def write(kept: Checkpoint) -> None:
    running = asyncio.create_task(kept.run())
    await kept.flushed(5.0)
    running.cancel()


def logs(home: Path) -> list[Path]:
    return sorted((home / "checkpoint").glob("cluster.*.log"))


async def test_nothing_was_ever_said(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path).cluster() is None
    assert cluster_of(tmp_path) == []


async def test_nothing_is_forgotten_by_who_is_killed_at_once(tmp_path: Path) -> None:
    _, view = begin(tmp_path)
    view.replace([wire("a"), wire("b"), wire("c")])
    view.update([wire("a", spec=1), wire("d")], [gone("b")])
    assert known(tmp_path) == {"a": 1, "c": None, "d": None}
    view.replace([wire("a", spec=2), wire("d")])
    assert known(tmp_path) == {"a": 2, "d": None}
    assert {one["metadata"]["name"] for one in cluster_of(tmp_path)} == {"a", "d"}


async def test_it_is_noted_before_anybody_acts_on_it(tmp_path: Path) -> None:
    _, view = begin(tmp_path)
    seen: list[dict[str, Any]] = []

    class Follower:
        name, kinds = "follower", frozenset({"Service"})

        async def watch(self, poke: Callable[[], None]) -> None:
            return

        async def apply(self, view: ClusterView, changed: object) -> None:
            seen.append(known(tmp_path))

    view.subscribe(Follower())
    view.replace([wire("a", spec=1)])
    await view.settled()
    view.update([wire("a", spec=2)], [])
    await view.settled()
    assert seen == [{"a": 1}, {"a": 2}]
    await view.close()


async def test_what_is_written_as_a_whole_takes_the_place_of_what_was_noted(tmp_path: Path) -> None:
    kept, view = begin(tmp_path)
    view.replace([wire("a"), wire("b")])
    view.flush()
    view.update([wire("a", spec=1)], [])  # before the whole is on disk
    assert known(tmp_path) == {"a": 1, "b": None}
    await write(kept)
    assert known(tmp_path) == {"a": 1, "b": None}
    view.flush()
    await write(kept)
    assert logs(tmp_path) == []
    assert known(tmp_path) == {"a": 1, "b": None}
    for path in (tmp_path / "checkpoint").iterdir():
        assert path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_two_wholes_that_wait_for_a_full_disk_lose_nothing(tmp_path: Path, monkeypatch) -> None:
    kept, view = begin(tmp_path)
    for number in range(3):
        view.update([wire(f"s{number}")], [])
        view.flush()
    written = []

    def full(path: Path, data: bytes) -> None:
        written.append(path)
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "_write", full)
    running = asyncio.create_task(kept.run())
    while not written:
        await asyncio.sleep(0)
    running.cancel()
    assert set(known(tmp_path)) == {"s0", "s1", "s2"}


async def test_the_next_agent_goes_on_with_a_log_of_its_own(tmp_path: Path) -> None:
    _, first = begin(tmp_path)
    first.replace([wire("a")])
    _, second = begin(tmp_path)
    second.update([wire("b")], [])
    kept, third = begin(tmp_path)
    third.update([wire("c")], [gone("a")])
    assert len(logs(tmp_path)) == 3
    assert set(known(tmp_path)) == {"b", "c"}
    third.flush()
    await write(kept)
    assert logs(tmp_path) == []
    assert set(known(tmp_path)) == {"b", "c"}


@pytest.mark.parametrize("cut", range(1, 60, 7))
async def test_a_line_that_was_written_by_halves_spoils_nothing_else(tmp_path: Path, cut: int) -> None:
    _, view = begin(tmp_path)
    view.replace([wire("a")])
    [path] = logs(tmp_path)
    before = path.read_bytes()
    view.update([wire("half", spec="of it is missing")], [])
    path.write_bytes(path.read_bytes()[: len(before) + cut])
    view.update([wire("b")], [])
    assert set(known(tmp_path)) == {"a", "b"}


async def test_a_whole_that_cannot_be_read_is_as_if_nothing_had_been_said(tmp_path: Path) -> None:
    """A part of the cluster would be worse: services would be taken away."""
    kept, view = begin(tmp_path)
    view.replace([wire("a")])
    view.flush()
    await write(kept)
    view.update([wire("b")], [])
    (tmp_path / "checkpoint" / "cluster.json").write_text("{")
    assert Checkpoint(tmp_path).cluster() is None
