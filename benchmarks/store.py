"""Operations per second of the store, on a database of its own.

    python -m benchmarks.store                       SQLite in a temporary directory
    DATABASE_URL=postgres://… python -m benchmarks.store --database-is-disposable

Pods carry what real ones do after admission and a run: about 3 KB each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PODS = 5000


def main() -> None:
    arguments = _arguments()
    if "DATABASE_URL" in os.environ and not arguments.database_is_disposable:
        sys.exit("DATABASE_URL is set: its contents would be mixed with the benchmark's (--database-is-disposable)")
    with tempfile.TemporaryDirectory(prefix="slipway-benchmark-") as home:
        # Without a Redis the controllers would warn of its absence again and again.
        os.environ.update(SLIPWAY_HOME=home, DJANGO_SETTINGS_MODULE="controlplane.settings", SLIPWAY_LOG_LEVEL="ERROR")
        import django

        django.setup()
        from django.core.management import call_command

        from controlplane.store.signals import committed

        # The store alone is measured: what the controllers do about a commit needs a Redis and a worker.
        committed.disconnect(dispatch_uid="controllers.queue")
        call_command("migrate", verbosity=0)
        _run(arguments.pods)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=PODS)
    parser.add_argument("--database-is-disposable", action="store_true")
    return parser.parse_args()


def _run(pods: int) -> None:
    from controlplane.store import objects, pool
    from schema.kinds import POD, SECRET
    from schema.selectors import FieldSelector, LabelSelector

    names = [f"web-{number:05}" for number in range(pods)]
    create = iter(names[:500])
    _measure("create a pod", 500, lambda: objects.create(POD, pod(next(create))))
    for start in range(500, pods, 500):
        objects.write_many([objects.Create(POD, pod(name)) for name in names[start : start + 500]])
    _measure("get a pod", 2000, lambda: objects.get(POD, "default", names[42]))
    _measure("replace a pod", 500, lambda: objects.replace(POD, _relabelled(objects.get(POD, "default", names[7]))))
    _measure("mutate a pod", 500, lambda: objects.mutate(POD, "default", names[8], _relabelled))
    secret = {"metadata": {"generateName": "s-", "namespace": "default"}, "data": {"password": "aGVsbG8="}}
    _measure("create a secret", 200, lambda: objects.create(SECRET, secret))
    rounds = iter(range(1000))
    _measure("write_many of 200 statuses", 10, lambda: objects.write_many(_statuses(names[:200], next(rounds))))
    _measure("write_many of 200 unchanged", 10, lambda: objects.write_many(_statuses(names[:200], 9)))
    _measure("list 1,000 pods", 10, lambda: objects.list_objects(POD, limit=1000))
    _measure(f"list {pods:,} pods", 3, lambda: objects.list_objects(POD))
    _measure(f"list {pods:,} pods, encoded", 3, lambda: objects.list_encoded(POD))
    _measure("list 50 pods by label", 50, lambda: objects.list_objects(POD, labels=LabelSelector.parse("group=g7")))
    _measure(
        "list 50 pods by label set",
        50,
        lambda: objects.list_objects(POD, labels=LabelSelector.parse("group in (g7, x)")),
    )
    _measure("list 0 pods by negation", 20, lambda: objects.list_objects(POD, labels=LabelSelector.parse("app!=web")))
    _measure("list pods of a node", 50, lambda: objects.pods_on("node-7"))
    _measure(
        "list pods by an unindexed field",
        3,
        lambda: objects.list_objects(POD, fields=FieldSelector.parse("status.podIP=10.0.0.1")),
    )
    _measure("usage of all nodes", 20, objects.node_usage)
    _measure("changes of 500 revisions", 20, lambda: objects.changes_since(objects.current_revision() - 500, 500))

    async def through_the_pool() -> None:
        start = time.perf_counter()
        for _ in range(1000):
            await pool.run(objects.get, POD, "default", names[42])
        _report("get through the pool", 1000, time.perf_counter() - start)

    asyncio.run(through_the_pool())
    _contention()


def _contention() -> None:
    from django.db import connections

    from controlplane.store import objects
    from schema.kinds import POD

    latencies: list[float] = []

    def work(_: int) -> None:
        for _ in range(100):
            start = time.perf_counter()
            objects.create(POD, {**pod(""), "metadata": {"generateName": "c-", "namespace": "default"}})
            latencies.append(time.perf_counter() - start)
        connections.close_all()

    start = time.perf_counter()
    with ThreadPoolExecutor(4) as executor:
        others = [subprocess.Popen([sys.executable, "-m", "benchmarks.store_writer"]) for _ in range(2)]
        list(executor.map(work, range(4)))
        codes = [other.wait() for other in others]
    assert codes == [0, 0]
    _report("create by 4 threads beside 2 processes", len(latencies) + 400, time.perf_counter() - start)
    ordered = sorted(latencies)
    print(
        f"{'  their latency p50, p99, max':42} {_ms(ordered[len(ordered) // 2])}, {_ms(ordered[-4])}, {_ms(ordered[-1])}"
    )


def _measure(what: str, times: int, operation: Callable[[], Any]) -> None:
    start = time.perf_counter()
    for _ in range(times):
        operation()
    _report(what, times, time.perf_counter() - start)


def _report(what: str, times: int, seconds: float) -> None:
    print(f"{what:42} {_ms(seconds / times):>10}   {times / seconds:>9,.0f}/s", flush=True)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3f} ms"


def _relabelled(wire: dict[str, Any]) -> dict[str, Any]:
    annotations = wire["metadata"].setdefault("annotations", {})
    annotations["count"] = str(int(annotations.get("count", "0")) + 1)
    return wire


def _statuses(names: list[str], number: int) -> list[Any]:
    from controlplane.store import objects
    from schema.kinds import POD

    return [objects.Status(POD, "default", name, status(f"10.244.{number}.7")) for name in names]


def pod(name: str) -> dict[str, Any]:
    number = int(name.rpartition("-")[2] or 0)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"app": "web", "group": f"g{number % 100}", "pod-template-hash": "5d8f9c7b6d"},
            "annotations": {"example.com/note": "x" * 200},
        },
        "spec": {
            "nodeName": f"node-{number % 100}",
            "containers": [_container(name) for name in ("main", "helper")],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "web"}}],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
        "status": status("10.244.1.7"),
    }


def _container(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": "registry.example.com/shop/web:1.4.2",
        "env": [{"name": f"SETTING_{number}", "value": "value"} for number in range(8)],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "config", "mountPath": "/etc/web"}],
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePath": "/dev/termination-log",
    }


def status(address: str) -> dict[str, Any]:
    moment = "2026-01-31T08:15:00Z"
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": moment,
        "conditions": [
            {"type": word, "status": "True", "lastTransitionTime": moment}
            for word in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                "name": name,
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": "registry.example.com/shop/web:1.4.2",
                "imageID": "registry.example.com/shop/web@sha256:" + "0" * 64,
                "containerID": "slipway://" + "1" * 64,
                "state": {"running": {"startedAt": moment}},
            }
            for name in ("main", "helper")
        ],
    }


if __name__ == "__main__":
    main()
