"""Images from files, and the ``nodeagent image`` commands as a person types them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from nodeagent.images import cli, errors, reference
from nodeagent.images.disk.shelf import Shelf
from tests import images, registry
from tests.agent.host import needs_host
from tests.agent.images_host import leftovers, opened

pytestmark = needs_host


class TestLoad:
    async def test_a_docker_archive(self, store, tmp_path):
        built = images.busybox(config={"Cmd": ["hello"]}, extra=[images.layer([images.file("extra", "1")])])
        [image] = await store.load(built.save_docker_archive(tmp_path / "a.tar", "team/app:1"))
        assert image.reference == "docker.io/team/app:1"
        assert image.config.command == ("hello",)
        assert await store.find("team/app:1") == image
        assert (await store.mount(image, "c") / "extra").read_text() == "1"

    async def test_what_is_kept_for_other_nodes_is_looked_after_beside_an_image_without_a_manifest(
        self, home, store, tmp_path
    ):
        await store.load(images.busybox().save_docker_archive(tmp_path / "a.tar", "team/app:1"))
        shelf = Shelf(home / "images")
        stray = shelf.blob("sha256:" + "0" * 64)
        stray.write_bytes(b"of no image")
        shelf.trim_blobs(1 << 30, young_seconds=-1)
        assert not stray.exists()

    async def test_an_image_of_docker_save_gets_a_manifest_and_goes_on(self, store, tmp_path):
        """The same wherever it is loaded, also where a layer was there already in another form."""
        built = images.busybox(extra=[images.layer([images.file("extra", "1")])])
        with registry.start() as hub:
            await store.pull(images.busybox().push(hub, "base:1"), credentials={})
            target = reference.parse(f"{hub.host}/loaded:1")
            archive = built.save_docker_archive(tmp_path / "a.tar", str(target))
            async with opened(tmp_path / "other") as other:
                for one in (store, other):
                    one.keep_blobs()
                    [image] = await one.load(archive)
                    assert await one.push(image.image_id, target, credentials={}) == image.digest
                with (tmp_path / "saved.tar").open("wb") as file:
                    await other.save(image.image_id, file, credentials={})
            async with opened(tmp_path / "third") as third:
                assert (await third.pull(str(target), credentials={})).digest == image.digest
                [loaded] = await third.load(tmp_path / "saved.tar")
                assert (loaded.image_id, loaded.digest) == (built.image_id, image.digest)

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    @pytest.mark.parametrize("kind", ["archive", "layout"])
    async def test_an_oci_layout(self, store, tmp_path, kind, compression):
        built = images.busybox(compression=compression)
        save = built.save_oci_archive if kind == "archive" else built.save_oci_layout
        [image] = await store.load(save(tmp_path / "a", "host.example/app:1"))
        assert (image.reference, image.digest) == ("host.example/app:1", built.digest)
        assert await store.find(f"host.example/app@{built.digest}") is not None
        assert (await store.mount(image, "c") / "bin/busybox").exists()

    async def test_an_index_in_a_layout(self, store, tmp_path):
        mine, other = images.busybox(), images.image([], architecture="s390x")
        [image] = await store.load(images.index([other, mine]).save_oci_archive(tmp_path / "a", "app:1"))
        assert image.image_id == mine.image_id

    async def test_what_skopeo_writes(self, store, tmp_path):
        images.busybox().save_oci_layout(tmp_path / "layout", "app:1")
        for target in (f"docker-archive:{tmp_path}/d.tar:team/app:2", f"oci-archive:{tmp_path}/o.tar:team/app:3"):
            subprocess.run(["skopeo", "copy", f"oci:{tmp_path}/layout:app:1", target], check=True, capture_output=True)
        loaded = [*await store.load(tmp_path / "d.tar"), *await store.load(tmp_path / "o.tar")]
        assert [one.reference for one in loaded] == ["docker.io/team/app:2", "docker.io/team/app:3"]

    async def test_layers_that_are_here_already_are_not_unpacked_again(self, store, home, tmp_path):
        await store.load(images.busybox().save_docker_archive(tmp_path / "a.tar", "a:1"))
        await store.load(
            images.busybox(compression="zstd", config={"Cmd": ["x"]}).save_oci_archive(tmp_path / "b", "b:1")
        )
        assert len(list((home / "images/layers").iterdir())) == 1
        assert len(store.state().images) == 2

    @pytest.mark.parametrize(
        "hostile",
        [
            [images.file("../../evil", "x")],
            [images.symlink("l", "/tmp"), images.file("l/evil", "x")],
            [images.Entry("null", type=b"3", device=(1, 3))],
        ],
    )
    async def test_a_hostile_layer_is_refused_as_in_a_pull(self, store, home, tmp_path, hostile):
        built = images.busybox(extra=[images.layer(hostile)])
        for file in (built.save_docker_archive(tmp_path / "a", "x:1"), built.save_oci_archive(tmp_path / "b", "x:1")):
            with pytest.raises(errors.HostileLayer, match="x:1"):
                await store.load(file)
        assert await store.find("x:1") is None
        assert leftovers(home) == []

    @pytest.mark.parametrize(
        "members",
        [
            [],
            [images.file("manifest.json", "not json")],
            [images.file("manifest.json", "{}")],
            [images.file("manifest.json", '[{"Config": "../../etc/passwd", "Layers": []}]')],
            [images.file("manifest.json", '[{"Config": "missing", "Layers": []}]')],
            [images.file("manifest.json", '[{"Layers": 5}]')],
            [images.symlink("manifest.json", "/etc/passwd")],
            [images.file("oci-layout", "{}"), images.file("index.json", "{}")],
            [images.file("oci-layout", "{}"), images.file("index.json", '{"manifests": [{"digest": "../../x"}]}')],
            [images.file("oci-layout", "{}"), images.file("index.json", '{"manifests": [7]}')],
        ],
    )
    async def test_a_file_that_is_no_image_is_refused_in_words(self, store, home, tmp_path, members):
        (tmp_path / "a").write_bytes(images.tar(members))
        with pytest.raises((errors.BadImage, errors.NotFound)) as caught:
            await store.load(tmp_path / "a")
        assert str(caught.value)
        assert leftovers(home) == []

    async def test_other_files_are_refused(self, store, tmp_path):
        (tmp_path / "text").write_text("hello " * 1000)
        with pytest.raises(errors.BadImage):
            await store.load(tmp_path / "text")
        with pytest.raises(errors.NotFound):
            await store.load(tmp_path / "missing")

    async def test_wrong_bytes_in_a_layout_are_refused(self, store, home, tmp_path):
        built = images.busybox()
        built.save_oci_layout(tmp_path / "l", "app:1")
        (tmp_path / "l/blobs" / built.layers[0].digest.replace(":", "/")).write_bytes(images.layer([]).blob)
        with pytest.raises(errors.DigestMismatch):
            await store.load(tmp_path / "l")
        swapped = replace(built, layers=(images.layer([images.file("x")]),))
        with pytest.raises(errors.DigestMismatch):
            await store.load(swapped.save_docker_archive(tmp_path / "d", "app:1"))
        assert leftovers(home) == []


class TestCommands:
    """Beside whatever else uses the store."""

    @staticmethod
    async def image(home, *arguments, environment=None):
        """In this process: starting a Python for each takes longer than all that it does."""

        def call():
            return cli.main(["image", *map(str, arguments), "--home", str(home)])

        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {"HOME": str(home), **(environment or {})}),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = await asyncio.to_thread(call)
        return code, out.getvalue(), err.getvalue()

    @staticmethod
    async def image_process(home, *arguments, stdin=b""):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nodeagent.images.cli", "image", *map(str, arguments), "--home", str(home)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(home)},
        )
        out, err = await process.communicate(stdin)
        return process.returncode, out.decode(), err.decode()

    async def test_pull_list_remove(self, home):
        with registry.start() as hub:
            built = images.busybox()
            reference = built.push(hub, "app:1")
            code, out, err = await self.image(home, "pull", reference)
        assert (code, out.splitlines()[0]) == (0, reference), err
        assert "1/1 layers" in err
        code, out, _ = await self.image(home, "list", "--json")
        [row] = json.loads(out)
        assert (row["name"], row["imageId"], row["digest"]) == (reference, built.image_id, built.digest)
        code, out, _ = await self.image(home, "list")
        assert out.splitlines()[0].split() == ["NAME", "IMAGE", "ID", "PULLED", "SIZE"]
        assert reference in out
        code, out, _ = await self.image(home, "remove", built.image_id[7:19])
        assert (code, f"removed {built.image_id}" in out) == (0, True)
        assert json.loads((await self.image(home, "list", "--json"))[1]) == []
        assert list((home / "images/layers").iterdir()) == []

    async def test_load_from_standard_input(self, home, tmp_path):
        data = images.busybox().save_docker_archive(tmp_path / "a", "app:1").read_bytes()
        code, out, err = await self.image_process(home, "load", "-", stdin=data)
        assert (code, out.split()[0]) == (0, "docker.io/library/app:1"), err
        assert leftovers(home) == []

    async def test_a_running_agent_sees_what_a_command_brought(self, home, store, tmp_path):
        file = images.busybox().save_docker_archive(tmp_path / "a", "app:1")
        assert await store.find("app:1") is None
        await self.image_process(home, "load", file)
        assert await store.find("app:1") is not None

    async def test_logins(self, home):
        with registry.start(auth="basic") as private:
            reference = images.busybox().push(private, "app:1")
            code, _, err = await self.image(home, "pull", reference)
            assert (code, "without a login" in err) == (1, True)
            secret = {"REGISTRY_PASSWORD": registry.PASSWORD}
            code, _, err = await self.image(home, "pull", reference, "--username", "alice", environment=secret)
            assert code == 0, err

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    async def test_an_image_goes_through_registry_and_archive_and_stays_the_same(self, home, tmp_path, compression):
        extra = [images.layer([images.file("extra", os.urandom(300_000))], compression)]
        built = images.busybox(compression=compression, extra=extra)
        with registry.start() as hub:
            await self.image(home, "pull", built.push(hub, "app:1"))
        with registry.start() as other:
            target = f"{other.host}/copies/app:2"
            assert (await self.image(home, "tag", built.image_id[7:19], target))[0] == 0
            code, out, err = await self.image(home, "push", target)
            assert (code, out.splitlines()) == (0, [target, built.digest]), err
            archive = tmp_path / "saved.tar"
            code, _, err = await self.image(home, "save", target, "-o", archive)
            assert code == 0, err
            fresh = tmp_path / "fresh"
            code, out, err = await self.image(fresh, "pull", target)
            assert (code, out.split()[1]) == (0, built.digest), err
        elsewhere = tmp_path / "elsewhere"
        code, out, err = await self.image(elsewhere, "load", archive)
        assert (code, target in out) == (0, True), err
        [row] = [
            each for each in json.loads((await self.image(elsewhere, "list", "--json"))[1]) if each["name"] == target
        ]
        assert (row["imageId"], row["digest"]) == (built.image_id, built.digest)

    async def test_a_layer_that_was_not_kept_is_fetched_once_more(self, home):
        with registry.start() as hub:
            reference = images.busybox().push(hub, "app:1")
            await self.image(home, "pull", reference)
            for kept in (home / "images/blobs").iterdir():
                kept.unlink()
            code, _, err = await self.image(home, "push", reference.replace("app:1", "app:1"))
            assert code == 0, err
            code, _, err = await self.image(home, "save", reference, "-o", home / "a.tar")
            assert code == 0, err
        for kept in (home / "images/blobs").iterdir():
            kept.unlink()
        code, _, err = await self.image(home, "save", reference, "-o", home / "b.tar")
        assert (code, len(err.splitlines())) == (1, 1)
        assert "was not kept" in err

    async def test_inspect_and_history(self, home):
        with registry.start() as hub:
            built = images.busybox(config={"Cmd": ["hello"]})
            reference = built.push(hub, "app:1")
            await self.image(home, "pull", reference)
        code, out, err = await self.image(home, "inspect", reference)
        assert code == 0, err
        shown = json.loads(out)
        assert (shown["id"], shown["names"]) == (built.image_id, [reference])
        assert shown["config"]["config"]["Cmd"] == ["hello"]
        code, out, err = await self.image(home, "history", built.image_id[7:20])
        assert (code, out.splitlines()[0].split()) == (0, ["LAYER", "CREATED", "SIZE", "INSTRUCTION"]), err
        assert built.layers[0].diff_id[7:19] in out

    async def test_pushing_without_rights_says_which_repository(self, home):
        with registry.start() as hub, registry.start(auth="basic") as private:
            built = images.busybox()
            await self.image(home, "pull", built.push(hub, "app:1"))
            target = f"{private.host}/team/app:1"
            await self.image(home, "tag", built.image_id[7:19], target)
            code, _, err = await self.image(home, "push", target)
            assert (code, "team/app" in err, "--username" in err) == (1, True, True)
            wrong = {"REGISTRY_PASSWORD": "wrong"}
            code, _, err = await self.image(home, "push", target, "--username", "alice", environment=wrong)
            assert (code, "login of alice" in err, "imagePullSecrets" in err) == (1, True, False)
            secret = {"REGISTRY_PASSWORD": registry.PASSWORD}
            code, _, err = await self.image(home, "push", target, "--username", "alice", environment=secret)
            assert code == 0, err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["push", "nothing:1"],
            ["save", "nothing:1"],
            ["inspect", "nothing:1"],
            ["tag", "nothing:1", "a:1"],
            ["pull", "Bad Name"],
            ["pull", "127.0.0.1:1/x"],
            ["load", "/nowhere"],
            ["remove", "nothing:1"],
        ],
    )
    async def test_what_goes_wrong_is_one_sentence(self, home, arguments):
        code, out, err = await self.image(home, *arguments)
        assert (code, out) == (1, "")
        assert err.startswith("error: ")
        assert len(err.splitlines()) == 1

    async def test_an_image_in_use_is_not_removed(self, home, store, tmp_path):
        [image] = await store.load(images.busybox().save_docker_archive(tmp_path / "a", "app:1"))
        root = await store.mount(image, "c")
        code, _, err = await self.image_process(home, "remove", "app:1")
        assert (code, "in use" in err) == (1, True)
        assert Path(root / "bin/busybox").exists()
