"""Several pulls of one image, and pulls, unpackers and registries that die in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.images import errors
from nodeagent.images.settings import Limits
from tests import images, registry
from tests.agent.host import needs_host, until
from tests.agent.images_host import QUICK, leftovers, opened, pull, random_layer

pytestmark = needs_host


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
