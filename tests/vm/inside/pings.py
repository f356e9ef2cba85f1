"""Pings between pods all the while, of which none may be lost."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.cluster import load
from tests.vm.inside.cluster import SLOW_SECONDS, Cluster, inside_pod
from tests.vm.inside.waiting import wait_for

PING = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tests.cluster import load
load.PAUSE_SECONDS, load.PATIENCE_SECONDS = 0.2, 600  # it is about loss: in an emulated machine an answer may be late
running = load.Load()
thread = running.repeat("ping", load.ping(sys.argv[2]))
for line in sys.stdin:
    print(json.dumps([running.counts.get("ping", 0), running.failures]), flush=True)
running.stop.set()
thread.join()
"""


class Pings:
    """From every node's pod to the next one's, all the time, and none twice."""

    def __init__(self, cluster: Cluster) -> None:
        root = str(Path(load.__file__).parents[2])
        targets = [pod["addresses"][0] for pod in (*cluster.pods[1:], cluster.pods[0])]
        self._running = [
            inside_pod(pod, sys.executable, "-Sc", PING, root, target)
            for pod, target in zip(cluster.pods, targets, strict=True)
        ]

    def counts(self) -> list[int]:
        """How many were answered so far. None was not."""
        found = []
        for each in self._running:
            assert each.stdin is not None
            assert each.stdout is not None
            each.stdin.write("\n")
            each.stdin.flush()
            count, failures = json.loads(each.stdout.readline())
            assert failures == []
            found.append(count)
        return found

    def go_on(self) -> None:
        before = self.counts()
        further = "ten more of every pod"
        wait_for(
            further, lambda: all(n > b + 10 for n, b in zip(self.counts(), before, strict=True)), seconds=SLOW_SECONDS
        )

    def end(self) -> None:
        for each in self._running:
            each.communicate(timeout=SLOW_SECONDS)
