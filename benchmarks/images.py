"""How long a pull takes, to the unpacked layers, beside other tools on the same registry in the same run.

    python -m benchmarks.images [--rounds 3]

Images: busybox (one small layer), many small files (40,000 in four layers), and 300 MB in six layers. Beside us: buildah
pull (overlay driver; downloads and unpacks as we do), and skopeo copy to a directory followed by ``tar -x`` of each layer,
one after another. Rounds take turns, so that a machine whose speed drifts treats all alike. Then a mount of a present image.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nodeagent.images.store import ImageStore
from tests import images, registry

Puller = Callable[[str, Path], float]
"""From a reference into a directory; the seconds that it took."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"), help="on a disk, not tmpfs (default: %(default)s)"
    )
    options = parser.parse_args()
    with registry.start() as hub, tempfile.TemporaryDirectory(prefix="slipway-bench-", dir=options.dir) as work:
        print(f"{'image':24}" + "".join(f"{name:>22}" for name in PULLERS))
        for number, (name, built) in enumerate(made_images().items()):
            reference = built.push(hub, f"bench/image{number}:1")
            taken = measure(reference, Path(work), options.rounds)
            print(f"{name:24}" + "".join(f"{statistics.median(taken[one]):>20.2f} s" for one in PULLERS))
        print(f"mount of a present image: {asyncio.run(mount_time(hub, Path(work))) * 1000:.2f} ms (median of 50)")


def measure(reference: str, work: Path, rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in PULLERS}
    for number in range(rounds):
        for name, puller in PULLERS.items():
            home = work / f"{name.split()[0]}-{number}"
            home.mkdir()
            subprocess.run(["sync"], check=True)
            taken[name].append(puller(reference, home))
            shutil.rmtree(home)
    return taken


def made_images() -> dict[str, images.Built]:
    """Contents as real ones are: text that compresses to about a third."""
    chance = random.Random(1)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(3000)]

    def text(size: int) -> bytes:
        return b" ".join(chance.choices(words, k=size // 6))[:size]

    many = [
        images.layer(
            [images.directory(f"l{number}-{folder}") for folder in range(200)]
            + [images.file(f"l{number}-{one % 200}/f{one}", text(chance.randint(100, 8000))) for one in range(10_000)]
        )
        for number in range(4)
    ]
    block = text(1 << 20)
    big = [images.layer([images.file(f"big-{number}-{part}", block * 10) for part in range(5)]) for number in range(6)]
    return {"busybox": images.busybox(), "40,000 small files": images.image(many), "300 MB": images.image(big)}


def ours(reference: str, home: Path) -> float:
    async def pull() -> float:
        store = ImageStore(home / "images")
        begin = time.perf_counter()
        await store.pull(reference, credentials={})
        taken = time.perf_counter() - begin
        await store.close()  # waits for the disk, which the others do not
        return taken

    return asyncio.run(pull())


def buildah(reference: str, home: Path) -> float:
    begin = time.perf_counter()
    flags = ["--root", str(home / "root"), "--runroot", str(home / "run"), "--storage-driver", "overlay"]
    subprocess.run(["buildah", *flags, "pull", "-q", "--tls-verify=false", reference], check=True, capture_output=True)
    taken = time.perf_counter() - begin
    subprocess.run(["umount", "-R", "-q", str(home / "root" / "overlay")], check=False, capture_output=True)
    return taken


def skopeo_and_tar(reference: str, home: Path) -> float:
    begin = time.perf_counter()
    copy = home / "copy"
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{reference}", f"dir:{copy}"], check=True
    )
    for number, path in enumerate(sorted(copy.iterdir())):
        if len(path.name) == 64 and path.read_bytes()[:2] == b"\x1f\x8b":
            target = home / str(number)
            target.mkdir()
            subprocess.run(["tar", "-xzf", path, "-C", target], check=True)
    return time.perf_counter() - begin


PULLERS: dict[str, Puller] = {
    name: puller
    for name, puller, tool in (
        ("slipway", ours, "true"),
        ("buildah pull", buildah, "buildah"),
        ("skopeo copy + tar -x", skopeo_and_tar, "skopeo"),
    )
    if shutil.which(tool)
}


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
