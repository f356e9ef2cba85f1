"""The cache of builds, on buildah's own storage: what goes first, and what is mended."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from nodeagent.builds import durability
from nodeagent.builds.run import buildah, cache, nodeimages, unpacked, unsynced
from nodeagent.images.layers import copying
from nodeagent.images.reference import parse
from nodeagent.images.settings import Limits
from nodeagent.images.store import ImageStore
from tests import images

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
    monkeypatch.setattr(nodeimages, "_ARCHIVE", tmp_path / "base-archive.tar")
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
        assert len(list(cache.chain(old))) == 1


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


def test_what_a_host_lost_by_going_down_is_not_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def boot(number: int) -> None:
        monkeypatch.setattr(durability, "boot_id", lambda: f"boot {number}")

    def left() -> int:
        with cache.held(100 * MEGABYTE):
            return len(cache._images())

    boot(1)
    with cache.held(100 * MEGABYTE):
        image(place, "settled")
        durability.settle(place)  # not while it is built
    durability.settle(place)
    boot(2)
    assert left() == 1
    boot(3)
    assert left() == 0
    assert list(buildah.SCRATCH.iterdir()) == []


def test_nothing_waits_for_the_disk() -> None:
    """fsync refuses a pipe wherever it is looked at."""
    if os.geteuid() != 0 or not unsynced.program(os.uname().machine):
        pytest.skip("as root, on a machine whose calls are known")
    asks = [sys.executable, "-c", "import os; os.fsync(os.pipe()[1]); os.sync(); print(len(os.listdir('/')) > 0)"]
    assert subprocess.run(asks, capture_output=True, check=False).returncode == 1
    done = subprocess.run(asks, capture_output=True, text=True, preexec_fn=unsynced.become, check=True)
    assert done.stdout == "True\n"


ODD = """\
RUN chmod 4711 /bin/busybox; ln /bin/busybox /bin/again; ln -s /nowhere /dangling; mkfifo /pipe
RUN mkdir -m 2750 /kept && echo 1 > /kept/one && chown -R 7:8 /kept && touch -t 200102030405 /kept/one
RUN rm -r /kept && mkdir /kept && echo 2 > /kept/two; rm /bin/again; rmdir /late || rm -r /late
"""


async def test_layers_come_home_as_they_would_by_way_of_a_registry(place: Path) -> None:
    """Copied from the builder's storage, or exported and unpacked: the same files, and the same notes of them."""
    base = images.image([images.layer([*images.busybox_entries(), images.file("late/made/implied", "x", uid=3)])])
    base.save_oci_archive(place / "base.tar", "localhost/base:1")
    (place / "context").mkdir()
    (place / "context" / "Dockerfile").write_text(f"FROM localhost/base:1\n{ODD}")
    with cache.held(100 * MEGABYTE):
        buildah.run("pull", "--quiet", f"oci-archive:{place}/base.tar")
        words = ["--quiet", "--layers", "--pull-never", "--network", "host", "--runtime", "crun"]
        words += ["--runtime-flag", "cgroup-manager=disabled"]
        made = buildah.run("build", *words, str(place / "context")).strip()
        buildah.run("push", "--quiet", made, f"oci:{place}/layout:localhost/made:1")
        copied, unpacked_ = ImageStore(place / "copied"), ImageStore(place / "unpacked")
        async with copied.adopting(unpacked.layers(made)):
            await unpacked_.load(place / "layout")
            layers = unpacked_.state().layers
            assert len(layers) == 4
            assert tree(copied, layers) == tree(unpacked_, layers)
        await copied.close()
        await unpacked_.close()


async def test_what_the_node_has_is_built_upon_by_who_may_have_it(place: Path) -> None:
    """Of a registry that is away: taken as the builder itself has it, or else from the node's images."""
    home, name = place / "images", "registry.test:5000/default/base:1"
    images.busybox().save_oci_archive(place / "base.tar", name)
    store = ImageStore(home)
    store.keep_blobs()
    (made,) = await store.load(place / "base.tar")
    record = store.state().images[made.image_id]
    reference = parse(name)
    store._shelf.put_image(made.image_id, record, [reference], made.digest, "cluster")
    await store.close()

    def take(*, may_pull: bool) -> str:
        return nodeimages.take(reference, home, name="10.0.0.1:5000/default/base:1", may_pull=may_pull)

    with cache.held(100 * MEGABYTE):
        with pytest.raises(nodeimages.NotHere):
            take(may_pull=False)
        first = await asyncio.to_thread(take, may_pull=True)
        assert cache.named("10.0.0.1:5000/default/base:1") == first
        (home / "blobs").rename(place / "not needed again")
        assert await asyncio.to_thread(take, may_pull=True) == first


def tree(store: ImageStore, layers: Iterable[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for layer in layers:
        record = store.state().layers[layer]
        found[layer] = record.size_bytes, record.entries
        found[f"{layer} implies"] = (store._shelf.home / "facts" / f"{record.directory}.json").read_text()
        top = store._shelf.home / "layers" / record.directory
        found |= {f"{layer} {path.relative_to(top)}": facts(path) for path in (top, *top.rglob("*"))}
    return found


def facts(path: Path) -> object:
    status = path.lstat()
    names = os.listxattr(path, follow_symlinks=False)
    attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    target = path.readlink() if path.is_symlink() else ""
    return status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_nlink, attributes, content, target


@pytest.mark.parametrize("odd", ["device", "socket", "redirect", "large", "many"])
def test_what_no_layer_may_have_is_not_copied(odd: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("as root")
    source, target = tmp_path / "source", tmp_path / "target"
    for directory in (source, target):
        directory.mkdir()
    (source / "file").write_bytes(b"1234")
    layer = copying.Foreign("sha256:0", source, lambda: ["", "file"])
    limits = Limits(entries=3, unpacked_bytes=4)
    assert copying.copy(layer, target, limits).entries == 2
    spoil(odd, source)
    (target / "file").unlink()
    with pytest.raises(copying.Unfit):
        copying.copy(layer, target, limits)


def spoil(odd: str, source: Path) -> None:
    if odd == "device":
        os.mknod(source / "null", stat.S_IFCHR, os.makedev(1, 3))
    elif odd == "socket":
        os.mknod(source / "socket", stat.S_IFSOCK)
    elif odd == "redirect":
        os.setxattr(source / "file", "trusted.overlay.redirect", b"/etc")
    elif odd == "large":
        (source / "file").write_bytes(b"12345")
    else:
        (source / "a").touch()
        (source / "b").touch()
