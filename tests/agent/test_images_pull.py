"""Pulling from a real registry: what is fetched, how often, and what a faulty one or a crash leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.errors import ImagePullError, InvalidImageName
from nodeagent.facilities import Credentials, Progress
from nodeagent.images import errors
from nodeagent.images.registry.own import OwnRegistry
from nodeagent.images.settings import ImageSettings, Limits
from tests import images, registry
from tests.agent.host import needs_host, until
from tests.agent.images_host import ALICE, QUICK, leftovers, opened, scratch
from tests.ports import free_port

pytestmark = needs_host


@pytest.fixture(scope="module")
def hub():
    with registry.start() as running:
        yield running


@pytest.fixture
def proxy(hub):
    with registry.FaultyProxy(hub.host).running() as running:
        yield running


@pytest.fixture
def home():
    with scratch() as directory:
        yield directory


@pytest.fixture
async def store(home):
    async with opened(home) as one:
        yield one


def random_layer(size, compression="none", name="data"):
    return images.layer([images.file(name, os.urandom(size))], compression)


async def pull(store, reference, credentials=None, progress=None):
    host = reference.partition("/")[0]
    return await store.pull(reference, credentials={host: credentials} if credentials else {}, progress=progress)


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

    @pytest.mark.parametrize("change", [-10, +10])
    async def test_a_layer_longer_or_shorter_than_told(self, store, home, hub, change):
        layer = random_layer(10_000)
        built = images.image([layer])
        manifest = json.loads(built.manifest)
        manifest["layers"][0]["size"] += change
        lying = replace(built, manifest=json.dumps(manifest).encode())
        reference = lying.push(hub, f"lying:{change % 1000}")
        await self.refused(store, home, reference, ImagePullError, "bytes long")

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


class TestLogins:
    @pytest.mark.parametrize("auth", ["basic", "token"])
    async def test_with_the_right_login_only(self, store, auth):
        built = images.image([random_layer(10)])
        with registry.start(auth=auth) as private:
            reference = built.push(private, "private/app:1")
            with pytest.raises(errors.Unauthorised, match="imagePullSecrets"):
                await pull(store, reference)
            with pytest.raises(errors.Unauthorised, match="refuses the login"):
                await pull(store, reference, Credentials("alice", "wrong"))
            assert (await pull(store, reference, ALICE)).image_id == built.image_id

    async def test_anonymous_and_identity_tokens(self, store):
        built = images.image([random_layer(10)])
        with registry.start(auth="token") as private:
            reference = built.push(private, "app:1")
            await pull(store, reference, Credentials(identity_token=registry.PASSWORD))
            private.tokens.anonymous_pull = True
            await pull(store, built.push(private, "other:1"))
            asked = [path for path, _ in private.tokens.requests]
            assert (
                len([one for one in asked if "repository%3Aother%3Apull&" in one or one.endswith("other%3Apull")]) >= 1
            )

    async def test_one_token_serves_a_whole_image(self, store):
        built = images.image([random_layer(10) for _ in range(4)])
        with registry.start(auth="token") as private:
            reference = built.push(private, "app:1")
            before = len(private.tokens.requests)
            await pull(store, reference, ALICE)
            assert len(private.tokens.requests) == before + 1

    async def test_a_login_does_not_follow_a_redirect_to_another_host(self, store):
        built = images.image([random_layer(10)])
        with registry.start(auth="basic") as private, registry.start(storage=private.storage) as bucket:
            built.push(private, "app:1")
            with (
                registry.FaultyProxy(bucket.host).running() as elsewhere,
                registry.FaultyProxy(private.host, redirect_blobs_to=elsewhere.host).running() as front,
            ):
                await pull(store, f"{front.host}/app:1", ALICE)
                assert [one.authorization for one in elsewhere.served] == ["", ""]
                assert any(one.authorization.startswith("Basic ") for one in front.served)

    async def test_a_nodes_credential_goes_to_its_control_plane_and_not_where_the_registry_says(self, store):
        with registry.start(auth="token", tls=True) as ours:
            own = OwnRegistry(
                address=ours.host,
                names=frozenset({"known.test:5000"}),
                authority=ours.ca_file.read_text(),
                token_url=f"https://127.0.0.1:{free_port()}/token",
                user="system:node:n",
                password=lambda: "secret",
            )
            store.use_registry(own)
            with pytest.raises(errors.RegistryUnreachable):
                await pull(store, "known.test:5000/default/app:1")
            assert ours.tokens.requests == []

    async def test_tls_is_verified(self, home):
        built = images.image([random_layer(10)])
        with registry.start(tls=True) as secure:
            reference = built.push(secure, "app:1")
            certificates = home / "certs"
            (certificates / secure.host).mkdir(parents=True)
            (certificates / secure.host / "ca.crt").write_bytes(secure.ca_file.read_bytes())
            trusting = replace(QUICK, certificate_dirs=[certificates])
            async with opened(home, trusting) as store:
                assert (await pull(store, reference)).image_id == built.image_id
            other = registry.make_certificate(home)
            (certificates / secure.host / "ca.crt").write_bytes(other.certificate_file.read_bytes())
            async with opened(home / "second", replace(trusting, attempts=2)) as store:
                with pytest.raises(errors.RegistryUnreachable, match="certificate"):
                    await pull(store, reference)


class TestMirrors:
    async def test_a_mirror_is_asked_first_and_the_registry_if_it_has_not(self, home, hub, proxy):
        here, there = images.image([random_layer(10)]), images.image([random_layer(11)])
        here.push(hub, "library/mirrored:1")
        async with opened(home, replace(QUICK, mirrors={"docker.io": [proxy.host]})) as store:
            assert (await store.pull("mirrored:1", credentials={})).image_id == here.image_id
        with registry.start() as origin:
            reference = there.push(origin, "only/there:1")
            async with opened(
                home, replace(QUICK, mirrors={origin.host: ["127.0.0.1:1", proxy.host]}, attempts=1)
            ) as store:
                assert (await pull(store, reference)).image_id == there.image_id


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


class TestTogether:
    async def test_layers_come_in_parallel_but_not_all_at_once(self, home, hub, proxy):
        built = images.image([random_layer(200_000) for _ in range(6)])
        reference = built.push(hub, "parallel:1").replace(hub.host, proxy.host)
        async with opened(home, replace(QUICK, parallel_layers=3)) as store:
            proxy.gate = threading.Event()
            task = asyncio.create_task(pull(store, reference))
            await until(lambda: proxy.busiest == 3)
            proxy.gate.set()
            await task
        assert proxy.busiest == 3

    async def test_pulls_of_one_image_are_one(self, store, hub, proxy):
        built = images.image([random_layer(100_000)])
        reference = built.push(hub, "flight:1").replace(hub.host, proxy.host)
        told: list[list[int]] = [[], []]
        found = await asyncio.gather(
            *(pull(store, reference, progress=lambda p, n=n: told[n].append(p.bytes_done)) for n in range(2)),
            *(pull(store, reference) for _ in range(8)),
        )
        assert {one.image_id for one in found} == {built.image_id}
        assert len(proxy.served) == 3
        assert told[0][-1] == told[1][-1] == len(built.layers[0].blob)

    async def test_a_layer_that_two_images_share_is_fetched_once(self, store, hub, proxy):
        shared = random_layer(500_000)
        references = []
        for number in range(3):
            built = images.image([shared, random_layer(10)])
            references.append(built.push(hub, f"share:{number}").replace(hub.host, proxy.host))
        await asyncio.gather(*(pull(store, one) for one in references))
        assert len([one for one in proxy.blobs() if one.path.endswith(shared.digest)]) == 1

    async def test_two_stores_on_one_directory_fetch_a_layer_once(self, home, hub, proxy):
        layer = random_layer(1_000_000)
        reference = images.image([layer]).push(hub, "stores:1").replace(hub.host, proxy.host)
        async with opened(home) as first, opened(home) as second:
            await asyncio.gather(pull(first, reference), pull(second, reference))
            assert await first.find(reference) == await second.find(reference)
        assert len([one for one in proxy.blobs() if one.path.endswith(layer.digest)]) == 1
        assert leftovers(home) == []

    async def test_one_caller_going_away_does_not_stop_the_others(self, store, hub, proxy):
        built = images.image([random_layer(400_000)])
        reference = built.push(hub, "leave:1").replace(hub.host, proxy.host)
        proxy.gate = threading.Event()
        first, second = (asyncio.create_task(pull(store, reference)) for _ in range(2))
        await until(lambda: proxy.busiest > 0)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        proxy.gate.set()
        assert (await second).image_id == built.image_id

    async def test_a_pull_given_up_while_it_waits_for_another_lets_the_next_one_in(self, home, hub, proxy):
        built = images.image([random_layer(1_000_000)])
        reference = built.push(hub, "leave:3").replace(hub.host, proxy.host)
        async with opened(home) as first, opened(home) as second:
            proxy.gate = threading.Event()
            holder = asyncio.create_task(pull(first, reference))
            await until(lambda: list((home / "images/staging").iterdir()))
            waiter = asyncio.create_task(pull(second, reference))
            await until(lambda: any(thread.name == "image lock" for thread in threading.enumerate()))
            for task in (waiter, holder):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            proxy.gate.set()
            assert (await asyncio.wait_for(pull(first, reference), 20)).image_id == built.image_id

    async def test_the_last_caller_going_away_stops_the_pull(self, store, home, hub, proxy):
        built = images.image([random_layer(1_000_000)])
        reference = built.push(hub, "leave:2").replace(hub.host, proxy.host)
        proxy.gate = threading.Event()
        task = asyncio.create_task(pull(store, reference))
        await until(lambda: proxy.busiest > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        proxy.gate.set()
        assert list((home / "images/staging").iterdir()) == []
        assert (await pull(store, reference)).image_id == built.image_id


PULLER = """
import asyncio, sys
from pathlib import Path
from nodeagent.images.store import ImageStore
async def main():
    store = ImageStore(Path(sys.argv[1]) / "images")
    await store.pull(sys.argv[2], credentials={}, progress=lambda p: print(p.bytes_done, flush=True))
    await store.close()
asyncio.run(main())
"""


class TestCrashes:
    @pytest.mark.parametrize("held_layer", [0, 1])
    async def test_a_killed_puller_leaves_nothing_that_matters(self, home, hub, proxy, held_layer):
        layers = [random_layer(1_500_000, name="a"), random_layer(1_500_000, name="b")]
        built = images.image(layers)
        reference = built.push(hub, f"crash:{held_layer}").replace(hub.host, proxy.host)
        proxy.gate = threading.Event()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PULLER, str(home), reference, stdout=asyncio.subprocess.PIPE
        )
        staging = home / "images/staging"
        await until(lambda: staging.exists() and len(list(staging.iterdir())) == 2)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        proxy.gate.set()
        async with opened(home) as store:
            assert await store.find(reference) is None
            assert (await pull(store, reference)).image_id == built.image_id
            assert leftovers(home) == []
            await until(lambda: unpackers(home) == [])

    async def test_collect_removes_what_a_crash_leaves(self, home, hub, proxy):
        built = images.image([random_layer(1_500_000)])
        reference = built.push(hub, "crash:2").replace(hub.host, proxy.host)
        proxy.gate = threading.Event()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PULLER, str(home), reference, stdout=asyncio.subprocess.PIPE
        )
        staging = home / "images/staging"
        await until(lambda: staging.exists() and list(staging.iterdir()))
        async with opened(home) as store:
            await store.collect(set())
            assert len(list(staging.iterdir())) == 1, "what another process is at must stay"
            process.send_signal(signal.SIGKILL)
            await process.wait()
            proxy.gate.set()
            (home / "images/layers/zz").mkdir()

            async def is_clean():
                await store.collect(
                    set()
                )  # the last unpacking process gives its lock up a moment after its parent's death
                return not list(staging.iterdir())

            await until(is_clean)
            assert not (home / "images/layers/zz").exists()
            assert [path for path in leftovers(home) if not path.startswith("partial/")] == []

    async def test_a_killed_unpacker_fails_the_pull_and_the_next_succeeds(self, store, home, hub, proxy):
        built = images.image([random_layer(1_500_000)])
        reference = built.push(hub, "crash:3").replace(hub.host, proxy.host)
        proxy.gate = threading.Event()
        task = asyncio.create_task(pull(store, reference))
        await until(lambda: list((home / "images/staging").iterdir()) and unpackers(home))
        for pid in unpackers(home):
            os.kill(pid, signal.SIGKILL)
        proxy.gate.set()
        with pytest.raises(errors.StoreError, match=r"signal 9|killed"):
            await task
        assert leftovers(home) == []
        assert (await pull(store, reference)).image_id == built.image_id

    async def test_a_disk_that_fills_is_told_and_left_clean(self, home, hub):
        (home / "small").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", home / "small"], check=True)
        reference = images.image([images.layer([images.file("x", b"1" * 40_000_000)])]).push(hub, "toolarge:1")
        async with opened(home / "small", replace(QUICK, limits=Limits(reserve_bytes=0))) as store:
            with pytest.raises(errors.StoreError, match="No space left"):
                await pull(store, reference)
            assert leftovers(home / "small") == []
            free = os.statvfs(home / "small")
            assert free.f_bavail > free.f_blocks * 0.95
            subprocess.run(["mount", "-o", "remount,size=200m", home / "small"], check=True)
            assert (await pull(store, reference)).size_bytes == 40_000_000

    async def test_a_registry_that_restarts_in_the_middle(self, store, home, tmp_path):
        built = images.image([random_layer(1_500_000) for _ in range(3)])
        with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
            hub = first.enter_context(registry.start(storage=tmp_path))
            proxy = second.enter_context(registry.FaultyProxy(hub.host).running())
            reference = built.push(hub, "restart:1").replace(hub.host, proxy.host)
            proxy.gate = threading.Event()
            task = asyncio.create_task(pull(store, reference))
            await until(lambda: proxy.busiest == 3)
            await asyncio.to_thread(first.close)
            again = registry.start(storage=tmp_path, port=int(hub.host.rpartition(":")[2]))
            await asyncio.to_thread(second.enter_context, again)
            proxy.gate.set()
            assert (await task).image_id == built.image_id
        assert leftovers(home) == []


def unpackers(home):
    """Ids of unpacking processes that work below ``home``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            text = path.read_bytes()
            if b"images.layers.process" in text and os.fsencode(home) in text:
                found.append(int(path.parent.name))
    return found


async def test_the_pullers_memory_stays_flat(home, hub):
    """A pull of 300 MB adds no more to the process than a small one."""
    block = os.urandom(1 << 20)
    big = images.layer([images.file(f"f{n}", block * 50) for n in range(6)], "none")
    small = images.image([random_layer(10)]).push(hub, "memory:small")
    large = images.image([big]).push(hub, "memory:large")
    script = PULLER + "\nimport resource; print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    peaks = []
    for number, reference in enumerate((small, large)):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(home / str(number)), reference, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        peaks.append(int(out.decode().rpartition("peak ")[2]))
    assert peaks[1] - peaks[0] < 16 * 1024


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
