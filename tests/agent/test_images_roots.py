"""Containers' roots: what they show, that they are each container's own, and what collection leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.errors import DiskStaysFull
from nodeagent.images import errors
from nodeagent.images.disk import trees
from nodeagent.images.store import ImageStore
from tests import images
from tests.agent.host import needs_host
from tests.agent.images_host import QUICK, leftovers, opened, tree

pytestmark = needs_host


async def pull(store: ImageStore, hub, built, name="app:1"):
    return await store.pull(built.push(hub, name), credentials={})


async def mounted(store, hub, *layers_of_entries, name="app:1"):
    built = images.image([images.layer(list(entries)) for entries in layers_of_entries])
    return await store.mount(await pull(store, hub, built, name), "c")


class TestMounts:
    async def test_a_container_gets_a_root_that_runs(self, store, hub):
        image = await pull(store, hub, images.busybox())
        root = await store.mount(image, "pod-web-1")
        out = subprocess.run(
            ["chroot", root, "/bin/sh", "-c", "id -u; cat /etc/hostname"], capture_output=True, check=True
        )
        assert out.stdout == b"0\nimage\n"

    async def test_mounting_again_is_the_same_root(self, store, hub):
        image = await pull(store, hub, images.busybox())
        first = await store.mount(image, "c")
        (first / "mine").write_text("1")
        assert await store.mount(image, "c") == first
        assert (first / "mine").read_text() == "1"

    async def test_what_one_writes_no_other_sees(self, store, hub, home):
        image = await pull(store, hub, images.busybox())
        one, two = [await store.mount(image, name) for name in ("one", "two")]
        (one / "etc/hostname").write_text("changed")
        (one / "bin/busybox").unlink()
        shutil.rmtree(one / "usr")
        assert (two / "etc/hostname").read_text() == "image\n"
        assert (two / "bin/busybox").exists()
        assert (two / "usr/bin/env").is_symlink()
        await store.unmount("one")
        again = await store.mount(image, "one")
        assert (again / "etc/hostname").read_text() == "image\n"
        assert (again / "usr/bin/env").is_symlink()

    async def test_unmounting_leaves_nothing_and_may_be_repeated(self, store, hub, home):
        image = await pull(store, hub, images.busybox())
        root = await store.mount(image, "c")
        busy = (root / "held").open("w")
        with busy:
            await store.unmount("c")
            await store.unmount("c")
        assert list((home / "images/roots").iterdir()) == []
        assert str(home) not in Path("/proc/self/mountinfo").read_text()
        await store.unmount("never-was")
        assert leftovers(home) == []

    async def test_the_root_directory_is_the_images(self, store, hub):
        root = await mounted(store, hub, [images.directory("./", mode=0o750, uid=5, gid=6), images.file("x")])
        status = root.stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o750, 5, 6)

    @pytest.mark.parametrize("container_id", ["", "../x", "a/b", ".", "a,b", "a:b", "a\\b"])
    async def test_an_id_that_is_no_file_name_is_refused(self, store, hub, container_id):
        image = await pull(store, hub, images.image([]))
        with pytest.raises(errors.StoreError):
            await store.mount(image, container_id)

    async def test_an_image_with_as_many_layers_as_overlayfs_takes(self, store, hub):
        layers = [
            images.layer([images.file(f"f{number}", str(number)), images.file("last", str(number))], "none")
            for number in range(500)
        ]
        image = await pull(store, hub, images.image(layers), "deep:500")
        root = await store.mount(image, "x" * 120)
        assert (root / "f0").read_text() == "0"
        assert (root / "last").read_text() == "499"
        assert len(list(root.iterdir())) == 501

    async def test_more_layers_than_that_are_refused_in_words(self, store, hub):
        layer = images.layer([images.file("x")])
        with pytest.raises(errors.BadImage, match="501 layers; at most 500"):
            await pull(store, hub, images.image([layer] * 501), "deep:501")

    async def test_an_image_removed_meanwhile_is_told(self, store, hub):
        image = await pull(store, hub, images.image([]))
        await store.remove(image.reference)
        with pytest.raises(errors.StoreError, match="pulled again"):
            await store.mount(image, "c")

    async def test_a_home_on_overlayfs_is_told(self, hub, home):
        for name in ("lower", "upper", "work", "merged"):
            (home / name).mkdir()
        options = f"lowerdir={home}/lower,upperdir={home}/upper,workdir={home}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, home / "merged"], check=True)
        async with opened(home / "merged") as nested:
            image = await pull(nested, hub, images.image([images.layer([images.file("x")])]))
            with pytest.raises(errors.StoreError, match=r"overlay cannot hold.*--home"):
                await nested.mount(image, "c")


class TestLayers:
    async def test_upper_layers_change_lower_ones(self, store, hub):
        root = await mounted(
            store,
            hub,
            [images.directory("d"), images.file("d/a", "1"), images.file("d/b", "1"), images.file("gone", "1")],
            [images.file("d/b", "2"), images.whiteout("gone"), images.whiteout("d/a")],
        )
        assert [path.name for path in root.iterdir()] == ["d"]
        assert [path.read_text() for path in (root / "d").iterdir()] == ["2"]

    async def test_an_opaque_directory_hides_what_is_below(self, store, hub):
        root = await mounted(
            store,
            hub,
            [images.directory("d"), images.file("d/old"), images.directory("d/sub"), images.file("d/sub/old")],
            [images.directory("d"), images.opaque("d"), images.file("d/new")],
            [images.file("d/sub/newer")],
        )
        assert sorted(path.name for path in (root / "d").iterdir()) == ["new", "sub"]
        assert [path.name for path in (root / "d/sub").iterdir()] == ["newer"]

    async def test_a_directory_replaced_by_a_link_and_back(self, store, hub):
        root = await mounted(
            store,
            hub,
            [images.directory("d"), images.file("d/x", "1")],
            [images.symlink("d", "elsewhere")],
            [images.directory("d"), images.file("d/y", "2")],
        )
        assert sorted(path.name for path in (root / "d").iterdir()) in (["y"], ["x", "y"])
        assert not (root / "d").is_symlink()
        assert [path.name for path in (root / "d").iterdir()] == ["y"]

    async def test_a_directory_that_a_layer_only_implies_stays_as_it_was(self, store, hub):
        root = await mounted(
            store,
            hub,
            [
                images.directory("tmp", mode=0o1777),
                images.directory("app", uid=1000, gid=1000),
                images.directory("app/data", mode=0o700, uid=1000, gid=1000),
            ],
            [images.file("tmp/x"), images.file("app/data/new/y")],
        )
        assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
        assert ((root / "app").stat().st_uid, (root / "app").stat().st_mode & 0o7777) == (1000, 0o755)
        assert ((root / "app/data").stat().st_uid, (root / "app/data").stat().st_mode & 0o7777) == (1000, 0o700)
        assert ((root / "app/data/new").stat().st_uid, (root / "app/data/new/y").exists()) == (0, True)

    async def test_what_a_higher_layer_says_of_a_directory_counts(self, store, hub):
        root = await mounted(
            store,
            hub,
            [images.directory("d", mode=0o700, uid=1)],
            [images.file("d/x")],
            [images.directory("d", mode=0o711, uid=2)],
        )
        assert ((root / "d").stat().st_uid, (root / "d").stat().st_mode & 0o7777) == (2, 0o711)


def awkward_image():
    """A bit of everything that differs between implementations."""
    first = [
        images.directory("bin"),
        images.file("bin/tool", "x", mode=0o4755),
        images.symlink("bin/sh", "/bin/tool"),
        replace(images.hard_link("bin/same", "bin/tool"), mode=0o4755),
        images.directory("tmp", mode=0o1777),
        images.directory("shared", mode=0o2775, uid=10, gid=20),
        images.file("shared/f", "1", uid=10, gid=20),
        images.directory("removed"),
        images.file("removed/deep", "1"),
        images.directory("emptied"),
        images.file("emptied/a", "1"),
        images.directory("emptied/b"),
        images.file("file-to-dir", "1"),
        images.directory("dir-to-file"),
        images.file("dir-to-file/x", "1"),
        images.Entry("cap", b"x", mode=0o755, xattrs={"user.note": b"hello"}),
        images.Entry("pipe", type=tarfile.FIFOTYPE, mode=0o600),
        images.file("ünïcode", "1"),
    ]
    second = [
        images.whiteout("removed"),
        images.directory("emptied", mode=0o700),
        images.opaque("emptied"),
        images.file("emptied/new", "2"),
        images.directory("file-to-dir"),
        images.file("file-to-dir/x", "2"),
        images.file("dir-to-file", "2"),
        images.file("bin/tool", "y", mode=0o755),
        images.directory("again"),
        images.file("again/1", "1"),
    ]
    third = [
        images.whiteout("again"),
        images.directory("again", uid=3),
        images.file("again/2", "2"),
        images.directory("removed"),
        images.file("removed/back", "3"),
        images.whiteout("shared/f"),
    ]
    return images.image([images.layer(first), images.layer(second, "zstd"), images.layer(third, "none")])


@pytest.mark.skipif(shutil.which("buildah") is None, reason="needs buildah")
async def test_an_image_looks_as_buildah_sees_it(store, hub, home):
    """The same image through another implementation, file by file."""
    built = awkward_image()
    image = await pull(store, hub, built, "awkward:1")
    ours = tree(await store.mount(image, "c"))
    flags = ["--root", str(home / "b"), "--runroot", str(home / "br"), "--storage-driver", "vfs"]
    source = f"docker://{hub.host}/awkward:1"

    def buildah(*arguments):
        found = subprocess.run(["buildah", *flags, *arguments], capture_output=True, text=True)
        assert found.returncode == 0, found.stderr
        return found.stdout.strip()

    name = await asyncio.to_thread(buildah, "from", "--tls-verify=false", source)
    theirs = tree(Path(buildah("mount", name)))
    buildah("umount", name)
    assert set(ours) == set(theirs)
    assert {path: (ours[path], theirs[path]) for path in ours if ours[path] != theirs[path]} == {}


class TestCollection:
    async def test_it_removes_roots_that_nobody_uses_and_no_other(self, store, hub, home):
        image = await pull(store, hub, images.busybox())
        kept, gone = [await store.mount(image, name) for name in ("kept", "gone")]
        (kept / "mine").write_text("1")
        await store.collect({"kept"})
        assert (kept / "mine").read_text() == "1"
        assert not gone.exists()

    async def test_it_removes_images_without_a_name_but_never_one_that_runs(self, store, hub, home, monkeypatch):
        monkeypatch.setattr("nodeagent.images.disk.gc.YOUNG_SECONDS", 0)
        layers = [images.layer([images.file(f"data{number}", os.urandom(1000))]) for number in range(3)]
        first = await pull(store, hub, images.image(layers[:2]), "tag:1")
        root = await store.mount(first, "c")
        second = await pull(store, hub, images.image([layers[0], layers[2]]), "tag:1")
        pinned = await pull(store, hub, images.image([layers[1]]), "pinned:1")
        await store.pull(f"{hub.host}/pinned@{pinned.digest}", credentials={})
        await store.remove(pinned.reference)
        await store.collect({"c"})
        assert first.image_id in store.state().images
        assert (root / "data1").exists()
        await store.collect(set())
        assert set(store.state().images) == {second.image_id, pinned.image_id}
        await store.remove(pinned.image_id)
        assert set(store.state().layers) == {layers[0].diff_id, layers[2].diff_id}
        assert len(list((home / "images/layers").iterdir())) == 2
        assert leftovers(home) == []

    async def test_a_full_disk_takes_the_least_recently_used(self, hub, home, monkeypatch):
        async with opened(home, QUICK) as store:
            running = await pull(store, hub, images.image([images.layer([images.file("r", "1")])]), "full:run")
            await store.mount(running, "c")
        monkeypatch.setattr("nodeagent.images.disk.gc.YOUNG_SECONDS", 0)
        async with opened(home, replace(QUICK, disk_high_percent=0.0, disk_low_percent=0.0)) as store:
            await pull(store, hub, images.image([images.layer([images.file("x", "1")])]), "full:old")
            with pytest.raises(DiskStaysFull, match="the 1 that are here are in use"):
                await store.collect({"c"})
            assert set(store.state().images) == {running.image_id}

    async def test_layers_are_left_alone_while_another_process_pulls(self, store, hub, home):
        image = await pull(store, hub, images.busybox())
        holder = subprocess.Popen(
            ["flock", "--shared", home / "images/pulls.lock", "sh", "-c", "echo held; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        await store.remove(image.reference)
        assert len(store.state().layers) == 1
        holder.communicate()
        await store.collect(set())
        assert store.state().layers == {}

    async def test_after_a_power_cut_what_the_disk_may_not_hold_is_fetched_again(self, hub, home):
        async with opened(home) as before:
            image = await pull(before, hub, images.busybox())
        path = home / "images/state.json"
        document = json.loads(path.read_text())
        for record in document["layers"].values():
            record["boot_id"] = "another-boot"
        path.write_text(json.dumps(document))
        async with opened(home) as after:
            assert await after.find(image.reference) is None
            again = await after.pull(image.reference, credentials={})
            assert (await after.mount(again, "c") / "bin/busybox").exists()

    async def test_a_pull_is_on_the_disk_soon_after(self, home, hub):
        async with opened(home) as store:
            await pull(store, hub, images.busybox())
        assert {record.boot_id for record in store.state().layers.values()} == {""}


def test_removing_a_tree_deeper_than_any_path(tmp_path):
    rubbish, doomed = tmp_path / "rubbish", tmp_path / "doomed"
    rubbish.mkdir()
    doomed.mkdir()
    (doomed / "link").symlink_to("/")
    here = os.open(doomed, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    trees.discard(doomed, rubbish)
    assert not doomed.exists()
    assert list(rubbish.iterdir()) == []
    assert Path("/etc").exists()


async def test_a_present_image_is_mounted_without_a_process(store, hub, monkeypatch):
    image = await pull(store, hub, images.busybox())

    def forbidden(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", forbidden)
    begin = time.perf_counter()
    assert (await store.mount(image, "c")).exists()
    print(f"mounted in {(time.perf_counter() - begin) * 1000:.2f} ms")
