"""How long until 1, 10, 50 and 100 replicas of a Deployment are all Running, image present; beside Swarm where it is.

    python -m benchmarks.scale_up [--sizes 1,10,50,100] [--rounds 3]

Starts an instance and a registry of its own. Each size is measured from POST of the Deployment until a watcher has seen
so many of its pods Running, in turn with ``docker service create --replicas`` of the same busybox where a Swarm is active.
Then one Deployment is scaled 1 → 50 → 100 → 0.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.pod_start import Watcher, prepare_docker
from tests import images, registry
from tests.cluster.instance import Instance, running, wait_for

PATH = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
LONGEST_SECONDS = 120.0


def deployment(name: str, image: str, replicas: int) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": ["sleep", "3600"]}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }


class Counter(Watcher):
    """Counts those of one Deployment."""

    def count(self, name: str) -> int:
        return sum(1 for each in self._seen if each.startswith(f"{name}-"))

    def wait_for(self, name: str, count: int) -> float:
        """The moment at which so many had been seen."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(name) >= count, timeout=LONGEST_SECONDS):
                raise TimeoutError(f"{self.count(name)} of {count} pods of {name} are Running")
            return max(moment for each, moment in self._seen.items() if each.startswith(f"{name}-"))


def none_left(instance: Instance) -> bool:
    return not instance.api.get(PODS).json()["items"]


def slipway(instance: Instance, watcher: Counter, image: str) -> Callable[[int, int], float]:
    def once(size: int, number: int) -> float:
        name = f"up{size}x{number}"
        began = time.perf_counter()
        instance.api.post(PATH, json=deployment(name, image, size)).raise_for_status()
        elapsed = watcher.wait_for(name, size) - began
        instance.api.delete(f"{PATH}/{name}").raise_for_status()
        wait_for("all pods gone", lambda: none_left(instance), seconds=LONGEST_SECONDS)
        return elapsed

    return once


def swarm(size: int, number: int) -> float:
    name = f"slipway-bench-{size}-{number}"
    began = time.perf_counter()
    create = ["docker", "service", "create", "--detach", "--replicas", str(size), "--name", name]
    subprocess.run([*create, "slipway-bench", "sleep", "3600"], check=True, capture_output=True)
    question = ["docker", "service", "ps", name, "--format", "{{.CurrentState}}"]
    while subprocess.run(question, check=True, capture_output=True, text=True).stdout.count("Running") < size:
        time.sleep(0.02)
    elapsed = time.perf_counter() - began
    subprocess.run(["docker", "service", "rm", name], check=True, capture_output=True)
    return elapsed


def scale(instance: Instance, watcher: Counter, image: str) -> None:
    instance.api.post(PATH, json=deployment("ladder", image, 1)).raise_for_status()
    watcher.wait_for("ladder", 1)
    merge = {"Content-Type": "application/merge-patch+json"}
    for size in (50, 100):
        began = time.perf_counter()
        body = {"spec": {"replicas": size}}
        instance.api.patch(f"{PATH}/ladder/scale", json=body, headers=merge).raise_for_status()
        print(f"scale to {size:4}: {watcher.wait_for('ladder', size) - began:6.2f} s")
    began = time.perf_counter()
    instance.api.patch(f"{PATH}/ladder/scale", json={"spec": {"replicas": 0}}, headers=merge).raise_for_status()
    wait_for("all pods gone", lambda: none_left(instance), seconds=LONGEST_SECONDS)
    print(f"scale to    0: {time.perf_counter() - began:6.2f} s")
    instance.api.delete(f"{PATH}/ladder").raise_for_status()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1,10,50,100")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="slipway-bench-") as place,
        running() as instance,
        registry.start() as store,
    ):
        image = images.busybox().push(store, "busybox:latest")
        ways: list[tuple[str, Callable[[int, int], float]]] = []
        watcher = Counter(instance)
        watcher.start()
        watcher.ready.wait(30)
        ways.append(("slipway", slipway(instance, watcher, image)))
        if any(name == "swarm service" for name, _ in prepare_docker(Path(place))):
            ways.append(("swarm", swarm))
        ways[0][1](1, 999)  # the image is there from now on
        for size in [int(each) for each in asked.sizes.split(",")]:
            taken: dict[str, list[float]] = {name: [] for name, _ in ways}
            for number in range(asked.rounds):
                for name, once in ways:
                    taken[name].append(once(size, number))
            for name, seconds in taken.items():
                shown = " ".join(f"{each:.2f}" for each in seconds)
                print(f"{name:8} {size:4} replicas: median {statistics.median(seconds):6.2f} s   ({shown})", flush=True)
        scale(instance, watcher, image)


if __name__ == "__main__":
    main()
