"""How long a pull takes from a registry on this machine to an image that is ready, beside docker and podman in the same run.

    python -m benchmarks.pull [--rounds 3] [--image large] [--only slipway,podman] [--json FILE]

Images: ``large`` (500 MB, 20 layers, 30,000 files, as an application on a distribution's image has them), ``busybox`` (one
small layer), ``many`` (40,000 small files in four layers), ``blob`` (300 MB in six layers of few files). Ready means: for us
the root of a container is mounted; for the others the command has ended. Rounds take turns, so that a machine whose speed
drifts treats all alike, each on a fresh ext4 of its own. A daemon of docker is started with directories of its own and ended
afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isal import igzip

from nodeagent.images.store import ImageStore
from tests import images, registry

MEGABYTE = 1_000_000
Pull = Callable[[Path, str], float]
"""Pulls a reference into an empty directory; the seconds until it was ready."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", choices=IMAGES, action="append", help="may be repeated (default: large)")
    parser.add_argument("--only", default=",".join(PULLERS), help="default: %(default)s")
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"), help="where the file systems' images go (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="write what was measured there, too")
    options = parser.parse_args()
    pullers = {name: PULLERS[name] for name in options.only.split(",")}
    found: dict[str, Mapping[str, float]] = {}
    with registry.start() as hub:
        for name in options.image or ["large"]:
            reference = IMAGES[name]().push(hub, f"bench/{name}:1")
            found[name] = measure(reference, pullers, options.rounds, options.dir)
            report(name, found[name])
        with fresh_disk(options.dir) as work:
            print(f"mount of a present image: {asyncio.run(mount_time(hub, work)) * 1000:.2f} ms (median of 50)")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(reference: str, pullers: Mapping[str, Pull], rounds: int, directory: Path) -> dict[str, float]:
    """Medians."""
    taken: dict[str, list[float]] = {name: [] for name in pullers}
    for _ in range(rounds):
        for name, pull in pullers.items():
            with fresh_disk(directory) as home:
                taken[name].append(pull(home, reference))
    return {name: statistics.median(times) for name, times in taken.items()}


def report(image: str, medians: Mapping[str, float]) -> None:
    load = os.getloadavg()[0]
    print(f"{image} (load {load:.1f}): " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in medians.items()))
    others = {name: seconds for name, seconds in medians.items() if name != "slipway"}
    if others and "slipway" in medians:
        fastest = min(others, key=lambda name: others[name])
        print(f"  {others[fastest] / medians['slipway']:.2f} times as fast as {fastest}, the fastest of the others")


# --- images


def large() -> images.Built:
    """500 MB in 20 layers of 1,500 files: mostly small ones, a few of megabytes, a tenth of the bytes incompressible."""
    chance = random.Random(1)
    pool = _text(chance, 8 * MEGABYTE)
    noise = chance.randbytes(2 * MEGABYTE)

    def content(size: int) -> bytes:
        source = noise if chance.random() < 0.1 else pool
        at = chance.randrange(max(1, len(source) - size))
        return source[at : at + size]

    def entries(number: int) -> list[images.Entry]:
        sizes = [int(min(chance.lognormvariate(8.2, 1.3), 2 * MEGABYTE)) for _ in range(1490)]
        sizes += [max(0, 25 * MEGABYTE - sum(sizes)) // 10] * 10
        folders = [images.directory(f"usr/lib{number}/d{one}") for one in range(60)]
        return folders + [
            images.file(f"usr/lib{number}/d{one % 60}/file{one}", content(min(size, 7 * MEGABYTE)))
            for one, size in enumerate(sizes)
        ]

    tars = [images.tar([images.directory("usr"), *entries(number)]) for number in range(20)]
    return images.image(_compressed(tars))


def many() -> images.Built:
    chance = random.Random(1)
    pool = _text(chance, MEGABYTE)

    def entries(number: int) -> list[images.Entry]:
        folders = [images.directory(f"l{number}-{folder}") for folder in range(200)]
        files = []
        for one in range(10_000):
            at, size = chance.randrange(len(pool) - 8000), chance.randint(100, 8000)
            files.append(images.file(f"l{number}-{one % 200}/f{one}", pool[at : at + size]))
        return folders + files

    return images.image(_compressed([images.tar(entries(number)) for number in range(4)]))


def blob() -> images.Built:
    block = _text(random.Random(1), MEGABYTE) * 10
    tars = [images.tar([images.file(f"big-{number}-{part}", block) for part in range(5)]) for number in range(6)]
    return images.image(_compressed(tars))


def _text(chance: random.Random, size: int) -> bytes:
    """Compresses to about two fifths, as programs and their sources do."""
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(3000)]
    return b" ".join(chance.choices(words, k=size // 5))[:size]


def _compressed(tars: Sequence[bytes]) -> list[images.Layer]:
    def one(data: bytes) -> images.Layer:
        return images.Layer(igzip.compress(data, compresslevel=3, mtime=0), images.digest_of(data))

    with ThreadPoolExecutor() as threads:
        return list(threads.map(one, tars))


IMAGES: Mapping[str, Callable[[], images.Built]] = {
    "large": large,
    "busybox": images.busybox,
    "many": many,
    "blob": blob,
}


# --- who pulls


def slipway(home: Path, reference: str) -> float:
    return asyncio.run(_pull_and_mount(home, reference))


async def _pull_and_mount(home: Path, reference: str) -> float:
    store = ImageStore(home / "images")
    begin = time.perf_counter()
    image = await store.pull(reference, credentials={})
    await store.mount(image, "c")
    taken = time.perf_counter() - begin
    await store.unmount("c")
    await store.close()
    return taken


def podman(home: Path, reference: str) -> float:
    return _containers_storage("podman", home, reference)


def buildah(home: Path, reference: str) -> float:
    return _containers_storage("buildah", home, reference)


def _containers_storage(tool: str, home: Path, reference: str) -> float:
    command = [tool, "--root", f"{home}/root", "--runroot", f"{home}/run", "--storage-driver", "overlay"]
    return _timed(*command, "pull", "-q", "--tls-verify=false", reference)


def docker(home: Path, reference: str) -> float:
    address = f"unix://{home}/docker.sock"
    flags = ["--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--pidfile", f"{home}/pid", "-H", address]
    flags += ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--log-level", "error"]
    client = ["docker", "-H", address]
    with (home / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", *flags], stdout=log, stderr=log)
    try:
        _wait_for_docker(client, daemon, home / "log")
        return _timed(*client, "pull", "-q", reference)
    finally:
        daemon.terminate()
        daemon.wait()


def _wait_for_docker(client: Sequence[str], daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while subprocess.run([*client, "version"], check=False, capture_output=True).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > until:
            raise RuntimeError("dockerd does not start:\n" + log.read_text()[-2000:])
        time.sleep(0.2)


def _timed(*command: str | Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


_TOOLS = {"slipway": (slipway, "mount"), "docker": (docker, "dockerd"), "podman": (podman, "podman"),
          "buildah": (buildah, "buildah")}  # fmt: skip
PULLERS: Mapping[str, Pull] = {name: pull for name, (pull, tool) in _TOOLS.items() if shutil.which(tool)}


@contextlib.contextmanager
def fresh_disk(directory: Path) -> Iterator[Path]:
    """An empty ext4 of its own, mounted. Files are made slowly for minutes where many were removed (ext4 does not take their
    inodes again at once), which would charge each round for the one before."""
    with tempfile.TemporaryDirectory(prefix="slipway-pull-", dir=directory) as work:
        image, home = Path(work) / "disk", Path(work) / "home"
        with image.open("wb") as file:
            file.truncate(6 * 1024 * MEGABYTE)
        subprocess.run(["mkfs.ext4", "-q", "-N", "400000", "-E", "lazy_itable_init=0", image], check=True)
        home.mkdir()
        subprocess.run(["mount", "-o", "loop", image, home], check=True)
        try:
            subprocess.run(["sync"], check=True)
            yield home
        finally:
            _unmount(home)


def _unmount(home: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([one for one in mounts if one == str(home) or one.startswith(f"{home}/")]):
        subprocess.run(["umount", "-l" if point != str(home) else "-q", point], check=False)


async def mount_time(hub: registry.Registry, work: Path) -> float:
    store = ImageStore(work / "mounts")
    image = await store.pull(images.busybox().push(hub, "bench/busybox:1"), credentials={})
    taken = []
    for number in range(50):
        begin = time.perf_counter()
        await store.mount(image, f"c{number}")
        taken.append(time.perf_counter() - begin)
    for number in range(50):
        await store.unmount(f"c{number}")
    await store.close()
    return statistics.median(taken)


if __name__ == "__main__":
    main()
