"""How long from POST until a watcher sees a pod Running, image present; beside Docker where dockerd runs.

    python -m benchmarks.pod_start [--count 50]

Starts an instance and a registry of its own. With a dockerd (`--docker-host`, default the system's socket) the same
busybox runs by `docker run -d` and as a Swarm service of one replica in turn with our pods, so that a machine whose
speed drifts treats all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests import images, registry
from tests.cluster.instance import Instance, running
from tests.cluster.pods import container, pod


class Watcher(threading.Thread):
    """One watch on all pods; notes the moment each is first seen Running."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(daemon=True)
        self._instance = instance
        self._seen: dict[str, float] = {}
        self._changed = threading.Condition()
        self.ready = threading.Event()

    def run(self) -> None:
        query = {"watch": "true", "resourceVersion": "0"}
        path = "/api/v1/namespaces/default/pods"
        # Until the instance goes down at the end of the measurement.
        with (
            contextlib.suppress(httpx.TransportError),
            self._instance.client() as client,
            client.stream("GET", path, params=query, timeout=None) as answer,
        ):
            self.ready.set()
            for line in answer.iter_lines():
                self._note(json.loads(line)["object"])

    def _note(self, seen: dict[str, Any]) -> None:
        if seen.get("status", {}).get("phase") == "Running":
            with self._changed:
                self._seen.setdefault(seen["metadata"]["name"], time.perf_counter())
                self._changed.notify_all()

    def wait(self, name: str) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: name in self._seen, timeout=30):
                raise TimeoutError(f"pod {name} has not been seen Running within 30 s")
            return self._seen[name]


def slipway(instance: Instance, watcher: Watcher, image: str) -> Callable[[int], float]:
    def once(number: int) -> float:
        name = f"bench-{number}"
        began = time.perf_counter()
        instance.create(pod(name, container("main", image)))
        elapsed = watcher.wait(name) - began
        instance.delete_pod(name)
        return elapsed

    return once


def docker_run(number: int) -> float:
    began = time.perf_counter()
    name = f"slipway-bench-{number}"
    subprocess.run(
        ["docker", "run", "-d", "--name", name, "slipway-bench", "sleep", "3600"], check=True, capture_output=True
    )
    elapsed = time.perf_counter() - began
    subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)
    return elapsed


def swarm_service(number: int) -> float:
    """Until its one task's state is running, as `docker service create` itself waits for, without its settling pause."""
    name = f"slipway-bench-{number}"
    began = time.perf_counter()
    create = ["docker", "service", "create", "--detach", "--name", name, "slipway-bench", "sleep", "3600"]
    subprocess.run(create, check=True, capture_output=True)
    question = ["docker", "service", "ps", name, "--format", "{{.CurrentState}}"]
    while "Running" not in subprocess.run(question, check=True, capture_output=True, text=True).stdout:
        pass
    elapsed = time.perf_counter() - began
    subprocess.run(["docker", "service", "rm", name], check=True, capture_output=True)
    return elapsed


def prepare_docker(directory: Path) -> list[tuple[str, Callable[[int], float]]]:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        print("no dockerd answers: only Slipway is measured")
        return []
    archive = images.busybox(flavour="docker").save_docker_archive(directory / "image.tar", "slipway-bench:latest")
    subprocess.run(["docker", "load", "-i", str(archive)], check=True, capture_output=True)
    peers: list[tuple[str, Callable[[int], float]]] = [("docker run -d", docker_run)]
    state = ["docker", "info", "--format", "{{.Swarm.LocalNodeState}}"]
    if subprocess.run(state, check=True, capture_output=True, text=True).stdout.strip() == "active":
        peers.append(("swarm service", swarm_service))
    return peers


def report(results: dict[str, list[float]]) -> None:
    ours = statistics.median(results["slipway pod"])
    print(f"{'':<16}{'p50 ms':>9}{'p90 ms':>9}{'max ms':>9}{'ratio p50':>11}")
    for name, seconds in results.items():
        ordered = sorted(seconds)
        p50, p90 = statistics.median(ordered), ordered[int(0.9 * (len(ordered) - 1))]
        print(f"{name:<16}{p50 * 1e3:>9.1f}{p90 * 1e3:>9.1f}{ordered[-1] * 1e3:>9.1f}{p50 / ours:>11.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    with registry.start() as store, running() as instance:
        image = images.busybox().push(store, "busybox:latest")
        watcher = Watcher(instance)
        watcher.start()
        watcher.ready.wait(10)
        contestants = [("slipway pod", slipway(instance, watcher, image)), *prepare_docker(directory)]
        for _, run in contestants:
            run(-1)  # the image is pulled, caches are warm
        results: dict[str, list[float]] = {name: [] for name, _ in contestants}
        for number in range(options.count):
            for name, run in contestants:
                results[name].append(run(number))
        report(results)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
