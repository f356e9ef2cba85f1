"""Garbage collection of the cluster's registry while clients push and pull, for minutes.

    python -m benchmarks.registry_gc [--minutes 5] [--pushers 3] [--pullers 3] [--grace 20]

As root. A whole instance; ``skopeo`` pushes images whose tags move again and again, pauses now and then as people do (the tokens'
leases are set back, as if three minutes had passed), pulls what the tags mean, and a collection runs every few seconds. Each
failed push or pull is told with its output; at the end every tag is pulled once more and compared with what was pushed.
Exit code 1 if anything broke.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests import images
from tests.cluster import clients
from tests.cluster.clients import Skopeo
from tests.cluster.instance import ROOT, Instance, running
from tests.ports import free_port

LAYER_BYTES = 200_000
SHARED = 10
"""Layers of which each image has three, so that most of what is garbage of one image is part of another."""
_SET_BACK = """
import django; django.setup()
from datetime import timedelta
from django.db.models import F
from controlplane.registry.models import PushLease
PushLease.objects.filter(repository="{}").update(until=F("until") - timedelta(seconds=200))
"""


@dataclass
class Counts:
    pushes: int = 0
    pulls: int = 0
    collections: int = 0
    freed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def push(self, done: clients.Done) -> None:
        with self.lock:
            self.pushes += 1
            if not done:
                self.faults.append(f"push: {done.output}")

    def pull(self, done: clients.Done) -> None:
        with self.lock:
            self.pulls += 1
            if not done:
                self.faults.append(f"pull: {done.output}")


class Bench:
    def __init__(self, instance: Instance, work: Path, *, grace: float) -> None:
        self.instance, self.work, self.grace = instance, work, grace
        self.skopeo: Skopeo = clients.skopeo(instance, work / "skopeo")
        self.counts, self.stop = Counts(), threading.Event()
        self.random = random.Random(1)
        self.layers = [images.layer([images.file(f"f{n}", self.random.randbytes(LAYER_BYTES))]) for n in range(SHARED)]
        self.present: dict[str, str] = {}

    def pusher(self, number: int) -> None:
        name, turn = f"default/app-{number}", 0
        dice = random.Random(number)
        while not self.stop.is_set():
            for _ in range(4):
                turn += 1
                mark = images.layer([images.file("turn", f"{number} {turn}")])
                archive = self.work / f"push-{number}.tar"
                built = images.image([*dice.sample(self.layers, 3), mark])
                built.save_oci_archive(archive)
                done = self.skopeo.push(archive, f"{name}:live")
                self.counts.push(done)
                if done:
                    self.present[f"{name}:live"] = built.digest
            # A pause, without the waiting.
            code = _SET_BACK.format(name)
            subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=dict(self.instance.environment), check=True)
            self.stop.wait(self.grace / 4)

    def puller(self, number: int) -> None:
        dice, target = random.Random(100 + number), self.work / f"pull-{number}"
        while not self.stop.is_set():
            present = list(self.present)
            if not present:
                self.stop.wait(0.2)
                continue
            self.counts.pull(self.skopeo.pull(dice.choice(present), target))
            shutil.rmtree(target, ignore_errors=True)

    def collector(self) -> None:
        while not self.stop.wait(self.grace / 5):
            done = subprocess.run(
                [sys.executable, "manage.py", "registry-gc", "--grace", str(self.grace)],
                cwd=ROOT,
                env=dict(self.instance.environment),
                capture_output=True,
                text=True,
                check=False,
            )
            with self.counts.lock:
                self.counts.collections += 1
                self.counts.freed.append(done.stdout.strip())
                if done.returncode:
                    self.counts.faults.append(f"collection: {done.stdout}{done.stderr}")

    def run(self, *, minutes: float, pushers: int, pullers: int) -> None:
        work = [(self.pusher, (number,)) for number in range(pushers)]
        work += [(self.puller, (number,)) for number in range(pullers)]
        threads = [threading.Thread(target=target, args=given) for target, given in work]
        threads.append(threading.Thread(target=self.collector))
        for thread in threads:
            thread.start()
        time.sleep(minutes * 60)
        self.stop.set()
        for thread in threads:
            thread.join()

    def check(self) -> None:
        """What the tags mean is what was pushed last, whole."""
        for name, digest in self.present.items():
            target = self.work / "check"
            done = self.skopeo.pull(name, target)
            self.counts.pull(done)
            if done and images.digest_of((target / "manifest.json").read_bytes()) != digest:
                self.counts.faults.append(f"{name} is not what was pushed")
            shutil.rmtree(target, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--pushers", type=int, default=3)
    parser.add_argument("--pullers", type=int, default=3)
    parser.add_argument("--grace", type=float, default=20)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="registry-gc-"))
    try:
        with running(SLIPWAY_REGISTRY_PORT=str(free_port())) as instance:
            bench = Bench(instance, work, grace=options.grace)
            bench.run(minutes=options.minutes, pushers=options.pushers, pullers=options.pullers)
            bench.check()
            size = sum(
                path.stat().st_size for path in (instance.home / "registry/data").rglob("data") if path.is_file()
            )
    finally:
        shutil.rmtree(work, ignore_errors=True)
    counts = bench.counts
    freed = [int(one.split()[1]) for one in counts.freed if one.startswith("freed ")]
    print(
        f"pushes {counts.pushes}, pulls {counts.pulls}, collections {counts.collections}, failed {len(counts.faults)}"
    )
    print(
        f"freed {sum(freed) / 1e6:.1f} MB in {sum(one > 0 for one in freed)} of them; held at the end {size / 1e6:.1f} MB"
    )
    for fault in counts.faults[:20]:
        print(fault)
    return 1 if counts.faults else 0


if __name__ == "__main__":
    sys.exit(main())
