"""How long one placement pass takes: ``python -m benchmarks.scheduler``. Pure computation, no database.

Prints milliseconds for 1000 pods over clusters of several sizes, for pods of one shape and for pods of many.
"""

from __future__ import annotations

import time

from controlplane.scheduler import demand, nodes, placement
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import Node, NodeTable

PODS = 1000


def pod(number: int, *, shapes: int) -> Demand:
    shape = number % shapes
    spec = {
        "containers": [{"name": "a", "resources": {"requests": {"cpu": f"{10 + shape}m", "memory": "64Mi"}}}],
        "nodeSelector": {"disk": "ssd"} if shape % 2 else {},
        "tolerations": [{"key": f"dedicated-{shape}", "operator": "Exists"}],
    }
    meta = {"name": f"p{number}", "namespace": "default", "uid": str(number), "labels": {"app": f"app-{shape}"}}
    return demand.parse({"metadata": meta, "spec": spec})


def table(count: int, pods: list[Demand]) -> NodeTable:
    allocatable = {"cpu": 64_000, "memory": 256 << 30, "pods": 1100, "ephemeral-storage": 1 << 40}
    rows = (Node(f"node-{i:04}", {"disk": "ssd"}, allocatable=allocatable) for i in range(count))
    return NodeTable(rows, nodes.dimensions_of(pods))


def main() -> None:
    print(f"{'nodes':>6} {'shapes':>6} {'pods/s':>9} {'ms for ' + str(PODS):>12}")
    for count in (1, 10, 100, 1000):
        for shapes in (1, 50):
            pods = [pod(number, shapes=shapes) for number in range(PODS)]
            columns = table(count, pods)
            start = time.perf_counter()
            placed = placement.place(pods, columns)
            seconds = time.perf_counter() - start
            if any(each.node is None for each in placed):
                raise SystemExit("a pod found no node: this is not the benchmark meant")
            print(f"{count:>6} {shapes:>6} {PODS / seconds:>9.0f} {seconds * 1000:>12.1f}")


if __name__ == "__main__":
    main()
