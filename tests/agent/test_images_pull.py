"""Pulling from a real registry: what is fetched, how often, and what a faulty one or a crash leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.errors import ImagePullError, InvalidImageName
from nodeagent.facilities import Credentials, Progress
from nodeagent.images import errors
from nodeagent.images.settings import ImageSettings, Limits
from tests import images, registry
from tests.agent.host import needs_host
from tests.agent.images_host import QUICK, leftovers, opened, pull, random_layer

pytestmark = needs_host


class TestImages:
    @pytest.mark.parametrize("flavour", ["oci", "docker"])
    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    async def test_every_kind_is_pulled_and_found(self, store, hub, home, flavour, compression):
        config = {"Cmd": ["a"], "Entrypoint": ["e"], "User": "1000", "WorkingDir": "/app", "StopSignal": "SIGINT"}
        built = images.busybox(config=config, flavour=flavour, compression=compression)
        reference = built.push(hub, f"kinds:{flavour}-{compression}")
        image = await pull(store, reference)
        assert (image.image_id, image.digest) == (built.image_id, built.digest)
        assert image.config.entrypoint == ("e",)
        assert image.config.working_dir == "/app"
        assert await store.find(reference) == image
        assert leftovers(home) == []

    @pytest.mark.parametrize("flavour", ["oci", "docker"])
    async def test_an_index_gives_this_machines_variant(self, store, hub, flavour):
        mine = images.image([random_layer(10)], flavour=flavour)
        other = images.image([random_layer(20)], architecture="s390x", flavour=flavour)
        index = images.index([other, mine], flavour=flavour)
        image = await pull(store, index.push(hub, f"multi:{flavour}"))
        assert (image.image_id, image.digest) == (mine.image_id, index.digest)

    async def test_an_index_without_this_machines_variant_says_what_it_has(self, store, hub):
        index = images.index([images.image([random_layer(20)], architecture="s390x")])
        with pytest.raises(errors.BadImage, match="s390x"):
            await pull(store, index.push(hub, "foreign:1"))

    async def test_a_tag_moves_and_a_digest_stays(self, store, hub):
        first, second = (images.image([random_layer(10)]) for _ in range(2))
        reference = first.push(hub, "moving:tag")
        await pull(store, reference)
        second.push(hub, "moving:tag")
        assert (await store.find(reference)).image_id == first.image_id
        assert (await pull(store, reference)).image_id == second.image_id
        assert (await store.find(reference)).image_id == second.image_id
        pinned = f"{hub.host}/moving@{first.digest}"
        assert (await store.find(pinned)).image_id == first.image_id
        assert (await pull(store, pinned)).image_id == first.image_id
        assert (await store.find(f"{hub.host}/moving:other@{first.digest}")).image_id == first.image_id

    async def test_what_is_here_is_not_fetched_again(self, store, hub, proxy):
        shared = random_layer(1000)
        built = images.image([shared, random_layer(10)])
        reference = built.push(proxy.upstream, "again:1").replace(hub.host, proxy.host)
        await pull(store, reference)
        before = len(proxy.served)
        await pull(store, reference)
        assert [one.path.split("/")[-2] for one in proxy.served[before:]] == ["manifests"]
        images.image([shared, random_layer(10)]).push(hub, "again:2")
        before = len(proxy.blobs())
        await pull(store, reference.replace(":1", ":2"))
        assert len(proxy.blobs()) == before + 2  # config and the one new layer

    async def test_the_same_layer_twice_in_an_image(self, store, hub, home):
        layer = random_layer(10)
        image = await pull(store, images.image([layer, random_layer(5), layer]).push(hub, "twice:1"))
        root = await store.mount(image, "c")
        assert (root / "data").stat().st_size == 10

    async def test_an_image_without_layers(self, store, hub):
        image = await pull(store, images.image([]).push(hub, "empty:1"))
        root = await store.mount(image, "c")
        (root / "x").write_text("1")

    @pytest.mark.parametrize("reference", ["", "UPPER", "a b", "x@sha256:1"])
    async def test_a_wrong_name_asks_nobody(self, store, reference):
        with pytest.raises(InvalidImageName):
            await store.pull(reference, credentials={})
        with pytest.raises(InvalidImageName):
            await store.find(reference)


class TestRefusals:
    """Issue: each gives ErrImagePull with the reason, and the node stays clean."""

    async def refused(self, store, home, reference, kind, match, **options):
        with pytest.raises(kind, match=match) as caught:
            await pull(store, reference, **options)
        assert caught.value.reason == "ErrImagePull"
        assert await store.find(reference) is None
        assert leftovers(home) == []
        return str(caught.value)

    async def test_an_unknown_image(self, store, home, hub):
        await self.refused(store, home, f"{hub.host}/nobody/knows:1", errors.NotFound, "nobody/knows")
        images.image([]).push(hub, "known:1")
        await self.refused(store, home, f"{hub.host}/known:2", errors.NotFound, "known:2")
        await self.refused(store, home, f"{hub.host}/known@sha256:{'0' * 64}", errors.NotFound, "0000")

    async def test_a_registry_that_is_not_there(self, store, home):
        with registry.FaultyProxy("").running() as gone:
            host = gone.host
        await self.refused(store, home, f"{host}/x:1", errors.RegistryUnreachable, host)

    async def test_a_registry_that_is_no_name(self, store, home):
        await self.refused(store, home, "no-such-host.invalid/x:1", errors.RegistryUnreachable, "no-such-host.invalid")

    @pytest.mark.parametrize(
        ("status", "kind"), [(429, errors.RateLimited), (500, errors.RegistryFault), (403, errors.Unauthorised)]
    )
    async def test_what_a_registry_says_is_final(self, store, home, proxy, status, kind):
        proxy.statuses = [status]
        await self.refused(store, home, f"{proxy.host}/x:1", kind, proxy.host)
        assert len(proxy.served) == 1

    @pytest.mark.parametrize("what", ["manifests", "config", "layer"])
    async def test_wrong_bytes(self, store, home, hub, proxy, what):
        layer = random_layer(50_000)
        built = images.image([layer])
        reference = built.push(hub, f"tampered:{what}").replace(hub.host, proxy.host)
        marks = {"manifests": built.digest, "config": built.image_id, "layer": layer.digest}

        def tamper(path, body):
            return body[:-9] + b"\n" * 9 if path.endswith(marks[what]) else body

        proxy.tamper = tamper
        pinned = reference.replace(f":{what}", f"@{built.digest}")
        await self.refused(store, home, pinned, (errors.DigestMismatch, errors.BadImage), "digest|cannot be unpacked")
        proxy.tamper = None
        assert (await pull(store, pinned)).image_id == built.image_id

    @pytest.mark.parametrize(("length", "change"), [(10_000, -10), (10_000, +10), (5_000_000, +10)])
    async def test_a_layer_longer_or_shorter_than_told(self, store, home, hub, length, change):
        """The larger one comes in ranges, of which each has a length of its own."""
        layer = random_layer(length)
        built = images.image([layer])
        manifest = json.loads(built.manifest)
        manifest["layers"][0]["size"] += change
        lying = replace(built, manifest=json.dumps(manifest).encode())
        reference = lying.push(hub, f"lying:{length}-{change % 1000}")
        told = f"is {len(layer.blob)} bytes long, not {len(layer.blob) + change}"
        await self.refused(store, home, reference, ImagePullError, told)

    async def test_a_layer_that_unpacks_to_something_else(self, store, home, hub):
        layer = random_layer(10_000)
        other = images.Layer(layer.blob, "sha256:" + "1" * 64, "none")
        await self.refused(store, home, images.image([other]).push(hub, "other:1"), errors.DigestMismatch, "unpacks to")

    async def test_a_config_with_another_number_of_layers(self, store, home, hub):
        built = images.image([random_layer(10)])
        wrong = images.with_config(built.config, [])
        await self.refused(store, home, wrong.push(hub, "number:1"), errors.BadImage, "1 layers, the manifest of 0")

    @pytest.mark.parametrize("config", [b"{}", b"[]", b"not json", b'{"os": "windows", "rootfs": {"diff_ids": []}}'])
    async def test_a_config_that_makes_no_sense(self, store, home, hub, config):
        reference = images.with_config(config, [random_layer(10)]).push(hub, f"senseless:{len(config)}")
        await self.refused(store, home, reference, errors.BadImage, "senseless")

    async def test_an_artefact_that_is_no_image(self, store, home, hub):
        built = images.image([random_layer(10)])
        manifest = json.loads(built.manifest)
        manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        chart = replace(built, manifest=json.dumps(manifest).encode())
        await self.refused(store, home, chart.push(hub, "chart:1"), errors.BadImage, "not a container image")

    async def test_a_manifest_without_end(self, store, home, hub, proxy):
        proxy.tamper = lambda path, body: b" " * (5 * 1024 * 1024)
        await self.refused(
            store, home, f"{proxy.host}/x:1", (errors.RegistryFault, errors.NotFound), "longer than|not in"
        )

    async def test_one_hostile_layer_refuses_the_image(self, store, home, hub):
        hostile = images.layer([images.file("../../../../tmp/slipway-evil", "x")])
        built = images.image([random_layer(2_000_000), hostile])
        text = await self.refused(store, home, built.push(hub, "hostile:1"), errors.HostileLayer, r"'\.\.'")
        assert hostile.digest[:19] in text
        assert "hostile:1" in text
        assert not Path("/tmp/slipway-evil").exists()

    async def test_a_bomb(self, home, hub):
        settings = replace(QUICK, limits=Limits(expansion=100))
        bomb = images.layer([images.file("zeros", b"\0" * 50_000_000)])
        async with opened(home, settings) as store:
            await self.refused(store, home, images.image([bomb]).push(hub, "bomb:1"), errors.HostileLayer, "bomb")

    async def test_a_full_disk(self, home, hub):
        settings = replace(QUICK, limits=Limits(reserve_bytes=2**60))
        reference = images.image([random_layer(10)]).push(hub, "full:1")
        async with opened(home, settings) as store:
            await self.refused(store, home, reference, errors.StoreError, "full")

    async def test_an_error_never_shows_a_login(self, store, home):
        with registry.start(auth="token") as private:
            wrong = Credentials("mallory", "s3cret-pass", "")
            text = await self.refused(
                store, home, f"{private.host}/x:1", errors.Unauthorised, "login", credentials=wrong
            )
        assert "s3cret" not in text


class TestCuts:
    async def test_a_cut_download_is_taken_up_where_it_broke_off(self, store, hub, home, proxy):
        layer = random_layer(3_000_000)
        built = images.image([layer])
        reference = built.push(hub, "cut:1").replace(hub.host, proxy.host)
        proxy.cut_after = [len(built.config), 1_000_000, 500_000]
        assert (await pull(store, reference)).image_id == built.image_id
        parts = [one for one in proxy.blobs() if one.path.endswith(layer.digest)]
        assert [one.range for one in parts] == ["", "bytes=1000000-", "bytes=1500000-"]
        assert sum(one.bytes_sent for one in parts) == len(layer.blob)
        assert leftovers(home) == []

    async def test_after_giving_up_the_next_pull_goes_on(self, home, hub, proxy):
        layer = random_layer(3_000_000)
        built = images.image([layer])
        reference = built.push(hub, "cut:2").replace(hub.host, proxy.host)
        async with opened(home, replace(QUICK, attempts=2)) as store:
            proxy.cut_after = [len(built.config), 2_000_000, 0, 0]
            with pytest.raises(errors.RegistryUnreachable, match="broke off after 2000000 of"):
                await pull(store, reference)
            await store.collect(set())
        async with opened(home) as store:
            await pull(store, reference)
        sent = sum(one.bytes_sent for one in proxy.blobs() if one.path.endswith(layer.digest))
        assert sent == len(layer.blob)
        assert leftovers(home) == []

    async def test_a_damaged_half_download_is_fetched_anew(self, home, hub, store):
        layer = random_layer(300_000, "gzip")
        built = images.image([layer])
        partial = home / "images" / "partial" / layer.digest.removeprefix("sha256:")
        partial.write_bytes(layer.blob[:1000] + b"\0" * 50_000)
        assert (await pull(store, built.push(hub, "damaged:1"))).image_id == built.image_id
        assert leftovers(home) == []


async def test_progress_grows_to_the_whole(store, hub):
    built = images.image([random_layer(300_000), random_layer(100_000)])
    seen: list[Progress] = []
    await pull(store, built.push(hub, "progress:1"), progress=seen.append)
    total = sum(len(one.blob) for one in built.layers)
    assert (seen[0].layers_done, seen[0].layers_total, seen[0].bytes_total) == (0, 2, total)
    assert (seen[-1].layers_done, seen[-1].bytes_done) == (2, total)
    assert [one.bytes_done for one in seen] == sorted(one.bytes_done for one in seen)


# --- pieces


PIECES = ImageSettings(retry_seconds=0.01, piece_bytes=100_000, parallel_pieces=4)


def _ranges(proxy) -> list[str]:
    return sorted((one.range for one in proxy.blobs() if one.range), key=lambda text: int(text[6:].split("-")[0]))


async def test_a_large_layer_comes_in_pieces_several_at_once(home, hub):
    built = images.image([random_layer(850_000)])
    with registry.FaultyProxy(hub.host).running() as proxy:
        reference = built.push(hub, "app:pieces").replace(hub.host, proxy.host)
        async with opened(home, PIECES) as store:
            await pull(store, reference)
        size = len(built.layers[0].blob)
        starts = range(0, size, 100_000)
        assert _ranges(proxy) == [f"bytes={at}-{at + 99_999 if at + 100_000 < size else ''}" for at in starts]
        assert 1 < proxy.busiest <= 4
        assert sum(one.bytes_sent for one in proxy.blobs()) == size + len(built.config)


async def test_a_cut_piece_is_taken_up_where_it_broke_off(home, hub):
    built = images.image([random_layer(450_000)])
    with registry.FaultyProxy(hub.host).running() as proxy:
        reference = built.push(hub, "app:cut-pieces").replace(hub.host, proxy.host)
        proxy.cut_after = [10**9, 30_000, 50_000, 0]  # the first is the config's
        async with opened(home, PIECES) as store:
            await pull(store, reference)
        assert proxy.blob_bytes() == len(built.layers[0].blob) + len(built.config)


async def test_a_registry_without_ranges_sends_a_large_layer_once(home, hub):
    built = images.image([random_layer(650_000)])
    with registry.FaultyProxy(hub.host).running() as proxy:
        proxy.ranges = False
        reference = built.push(hub, "app:unranged").replace(hub.host, proxy.host)
        async with opened(home, ImageSettings(retry_seconds=0.01, piece_bytes=100_000, parallel_pieces=2)) as store:
            image = await pull(store, reference)
            assert image.image_id == built.image_id
