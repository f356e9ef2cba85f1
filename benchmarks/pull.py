"""How long a pull takes from a registry on this machine to an image that is ready, beside docker and podman in the same run.

    python -m benchmarks.pull [--rounds 3] [--image large] [--only slipway,podman] [--json FILE]

Images: ``large`` (500 MB, 20 layers, 30,000 files, as an application on a distribution's image has them), ``busybox`` (one
small layer), ``many`` (40,000 small files in four layers), ``blob`` (300 MB in six layers of few files). Ready means: for us
the root of a container is mounted; for the others the command has ended. Rounds take turns, so that a machine whose speed
drifts treats all alike; before each the disk is synchronised. A daemon of docker is started with directories of its own
and ended afterwards.
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
Pull = Callable[[str], float]
"""Pulls a reference that is not there, and takes it away again; the seconds until it was ready."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", choices=IMAGES, action="append", help="may be repeated (default: large)")
    parser.add_argument("--only", default="", help="of slipway,docker,podman,buildah (default: those that are here)")
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"), help="on a disk, not tmpfs (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="write what was measured there, too")
    options = parser.parse_args()
    found: dict[str, Mapping[str, float]] = {}
    with contextlib.ExitStack() as stack:
        hub = stack.enter_context(registry.start())
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=options.dir)))
        pullers = _pullers(stack, work, options.only)
        for name in options.image or ["large"]:
            reference = IMAGES[name]().push(hub, f"bench/{name}:1")
            found[name] = measure(reference, pullers, options.rounds)
            report(name, found[name])
        print(f"mount of a present image: {asyncio.run(mount_time(hub, work)) * 1000:.2f} ms (median of 50)")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


def measure(reference: str, pullers: Mapping[str, Pull], rounds: int) -> dict[str, float]:
    """Medians."""
    taken: dict[str, list[float]] = {name: [] for name in pullers}
    for _ in range(rounds):
        for name, pull in pullers.items():
            subprocess.run(["sync"], check=True)
            taken[name].append(pull(reference))
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
    tars = [
        images.tar([images.file(f"big-{number}-{part}", block) for part in range(5)]) for number in range(6)
    ]
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


def _pullers(stack: contextlib.ExitStack, work: Path, only: str) -> dict[str, Pull]:
    wanted = only.split(",") if only else ["slipway", "docker", "podman", "buildah"]
    found: dict[str, Pull] = {}
    if "slipway" in wanted:
        found["slipway"] = _slipway(work)
    if "docker" in wanted and shutil.which("dockerd"):
        found["docker"] = stack.enter_context(_docker(work / "docker"))
    for tool in ("podman", "buildah"):
        if tool in wanted and shutil.which(tool):
            found[tool] = stack.enter_context(_containers_storage(tool, work / tool))
    return found


def _slipway(work: Path) -> Pull:
    def pull(reference: str) -> float:
        home = Path(tempfile.mkdtemp(prefix="slipway-", dir=work))
        try:
            return asyncio.run(_pull_and_mount(home, reference))
        finally:
            shutil.rmtree(home)

    return pull


async def _pull_and_mount(home: Path, reference: str) -> float:
    store = ImageStore(home / "images")
    begin = time.perf_counter()
    image = await store.pull(reference, credentials={})
    await store.mount(image, "c")
    taken = time.perf_counter() - begin
    await store.unmount("c")
    await store.close()  # waits for the disk, which the others do not
    return taken


def _timed(*command: str | Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


@contextlib.contextmanager
def _containers_storage(tool: str, root: Path) -> Iterator[Pull]:
    command = [tool, "--root", root / "root", "--runroot", root / "run", "--storage-driver", "overlay"]

    def pull(reference: str) -> float:
        taken = _timed(*command, "pull", "-q", "--tls-verify=false", reference)
        _timed(*command, "rmi", reference)
        return taken

    try:
        yield pull
    finally:
        subprocess.run(["umount", "-R", "-q", root / "root" / "overlay"], check=False, capture_output=True)


@contextlib.contextmanager
def _docker(root: Path) -> Iterator[Pull]:
    root.mkdir()
    address = f"unix://{root}/docker.sock"
    flags = ["--data-root", root / "data", "--exec-root", root / "exec", "--pidfile", root / "pid", "-H", address]
    flags += ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--log-level", "error"]
    client = ["docker", "-H", address]
    with (root / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", *flags], stdout=log, stderr=log)

    def pull(reference: str) -> float:
        taken = _timed(*client, "pull", "-q", reference)
        _timed(*client, "rmi", "-f", reference)
        return taken

    try:
        _wait_for_docker(client, daemon, root / "log")
        yield pull
    finally:
        daemon.terminate()
        daemon.wait()
        subprocess.run(["umount", "-R", "-q", root / "data"], check=False, capture_output=True)


def _wait_for_docker(client: Sequence[str], daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 60
    while subprocess.run([*client, "version"], check=False, capture_output=True).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > until:
            raise RuntimeError("dockerd does not start:\n" + log.read_text()[-2000:])
        time.sleep(0.2)


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
