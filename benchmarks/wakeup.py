"""How long a pod waits for its node: ``python -m benchmarks.wakeup`` with SLIPWAY_HOME (and REDIS_URL, DATABASE_URL) of a
running Redis and worker. Makes pods, one after another, and measures from the commit of each to the commit of its binding.
"""

from __future__ import annotations

import os
import statistics
import time

import django

PODS = 50


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    django.setup()
    from controlplane.store import objects
    from schema import kinds

    names = [f"wakeup-{os.getpid()}-{number}" for number in range(PODS)]
    milliseconds = []
    for name in names:
        objects.create(kinds.POD, _pod(name))
        start = time.perf_counter()
        while not objects.get(kinds.POD, "default", name)["spec"].get("nodeName"):
            if time.perf_counter() - start > 10:
                raise SystemExit(f"{name} has no node after 10 s: is there a worker, and a node with room?")
            time.sleep(0.0002)
        milliseconds.append((time.perf_counter() - start) * 1000)
    for name in names:
        objects.delete(kinds.POD, "default", name)
    milliseconds.sort()
    print(
        f"commit to binding, {PODS} pods: p50 {statistics.median(milliseconds):.1f} ms, worst {milliseconds[-1]:.1f} ms"
    )


def _pod(name: str) -> dict[str, object]:
    container = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}}}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


if __name__ == "__main__":
    main()
