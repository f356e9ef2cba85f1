"""The cache of builds, on buildah's own storage: what goes first, and what is mended."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.builds.run import buildah, cache

MEGABYTE = 1024 * 1024


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        pytest.skip("buildah, as root")
    monkeypatch.setattr(buildah, "GRAPH", tmp_path / "graph")
    monkeypatch.setattr(buildah, "RUN_ROOT", tmp_path / "run")
    monkeypatch.setattr(buildah, "SCRATCH", tmp_path / "tmp")
    (tmp_path / "auth.json").write_text("{}")
    monkeypatch.setattr(buildah, "AUTH_FILE", tmp_path / "auth.json")
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    monkeypatch.setattr(cache, "_USED", tmp_path / "used.json")
    yield tmp_path
    for mount in ("graph/overlay", "graph"):
        subprocess.run(["umount", "-R", "-l", str(tmp_path / mount)], capture_output=True, check=False)


def image(place: Path, name: str) -> str:
    """An image of one layer of a megabyte; its id."""
    context = place / f"context-{name}"
    context.mkdir()
    (context / "file").write_bytes(os.urandom(MEGABYTE))
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    return buildah.run("build", "--quiet", "--layers", "--tag", f"localhost/{name}", str(context)).strip()


def test_what_was_used_longest_ago_goes_first(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BATCH", 1)
    with cache.held(100 * MEGABYTE):
        old, new, dear = (image(place, name) for name in ("old", "new", "dear"))
        for moment, each in enumerate((old, new, dear)):
            monkeypatch.setattr("time.time", lambda moment=moment: 4e9 + moment)
            cache.note_use([each])
        cache.note_use([old])
    assert cache.size() > 3 * MEGABYTE
    with cache.held(int(2.6 * MEGABYTE)):
        left = {each["id"] for each in cache._images()}
        assert cache.size() <= 2.6 * MEGABYTE
        assert left == {old, dear}
        assert cache.total_size(old) >= MEGABYTE
        assert len(cache.diff_ids(old)) == 1


def test_nothing_goes_while_another_builds(place: Path) -> None:
    with cache.held(100 * MEGABYTE):
        kept = image(place, "kept")
        with cache.held(MEGABYTE):
            assert {each["id"] for each in cache._images()} == {kept}


def test_what_killed_builds_left_goes(place: Path) -> None:
    with cache.held(100 * MEGABYTE):
        buildah.run("from", "scratch")
        (buildah.SCRATCH / "buildah123").mkdir()
        (buildah.SCRATCH / "buildah-cache" / "x").mkdir(parents=True)
    with cache.held(100 * MEGABYTE):
        assert buildah.run("containers", "--quiet").split() == []
        assert [left.name for left in buildah.SCRATCH.iterdir()] == ["buildah-cache"]


def test_a_cache_that_cannot_be_read_is_begun_anew(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with cache.held(100 * MEGABYTE):
        image(place, "lost")
    (buildah.GRAPH / "overlay-layers" / "layers.json").write_text("{")
    with cache.held(100 * MEGABYTE):
        assert "begun anew" in capsys.readouterr().out
        assert image(place, "fresh")
