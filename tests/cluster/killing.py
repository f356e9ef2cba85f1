"""A Deployment that is rolled out again and again while a process of the instance is killed again and again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from typing import Any

import yaml

from tests.cluster import remains
from tests.cluster.instance import Instance, wait_for

VICTIMS = ("worker", "web", "agent", "redis")
KILL_EVERY_SECONDS = 0.5
CHANGE_EVERY_SECONDS = 2.0
REPLICAS = 4
PATH = "/apis/apps/v1/namespaces/default"
PODS = "/api/v1/namespaces/default/pods"
Wire = dict[str, Any]


class Killer:
    """Kills within the block."""

    def __init__(self, instance: Instance, victim: str) -> None:
        self.instance, self.victim, self.kills = instance, victim, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._over.wait(KILL_EVERY_SECONDS):
            try:
                os.kill(self.instance.pid_of(self.victim), signal.SIGKILL)
            except (OSError, AssertionError, ValueError):
                continue  # it is just being started
            self.kills += 1

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def manifest(name: str, image: str, colour: str) -> str:
    container = {
        "name": "main",
        "image": image,
        "command": ["sleep", "3600"],
        "env": [{"name": "COLOUR", "value": colour}],
    }
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    selector = {"matchLabels": {"app": name}}
    return yaml.safe_dump(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": REPLICAS, "selector": selector, "template": template},
        }
    )


def run(instance: Instance, image: str, victim: str, seconds: float, *, name: str = "killed") -> Counter[str]:
    """Raises where the end is not as it should be. Counts kills and changes."""
    before = remains.of(instance)
    _apply(instance, manifest(name, image, "none"))
    _until_complete(instance, name)
    changes, over = 0, time.monotonic() + seconds
    with Killer(instance, victim) as killer:
        while time.monotonic() < over:  # a web process that is killed takes few of them
            text = manifest(name, image, f"colour-{changes + 1}")
            changes += instance.kubectl("apply", "-f", "-", stdin=text).returncode == 0
            time.sleep(CHANGE_EVERY_SECONDS)
    _apply(instance, manifest(name, image, "last"))
    _until_complete(instance, name)
    check(instance, name, "last")
    _apply(instance, manifest(name, image, "none"), verb="delete")
    wait_for("its pods gone", lambda: not objects(instance, PODS, name))
    wait_for("its ReplicaSets gone", lambda: not objects(instance, f"{PATH}/replicasets", name))
    wait_for("nothing is left on the host", lambda: not remains.of(instance) - before)
    return Counter(kills=killer.kills, changes=changes)


def check(instance: Instance, name: str, colour: str) -> None:
    """So many pods, all of the last revision, each with one monitor on the host, and no more than these."""

    def right_number() -> list[Wire] | None:
        found = objects(instance, PODS, name)
        return found if len(found) == REPLICAS else None

    pods = wait_for("no pod too many", right_number)
    assert {one["value"] for pod in pods for one in pod["spec"]["containers"][0]["env"]} == {colour}
    sizes = {one["metadata"]["uid"]: one["spec"]["replicas"] for one in objects(instance, f"{PATH}/replicasets", name)}
    assert [sizes[pod["metadata"]["ownerReferences"][0]["uid"]] for pod in pods] == [REPLICAS] * REPLICAS
    assert sum(sizes.values()) == REPLICAS
    wait_for("no orphan on the host", lambda: not orphans(instance))
    uids = {pod["metadata"]["uid"] for pod in pods}
    monitors = [line for line in remains.of(instance) if "conmon" in line and any(uid in line for uid in uids)]
    assert len(monitors) == REPLICAS


def orphans(instance: Instance) -> list[str]:
    """What belongs to no pod that there is."""
    uids = {pod["metadata"]["uid"] for pod in instance.api.get("/api/v1/pods").raise_for_status().json()["items"]}
    sorts = ("directory", "cgroup", "mount", "process /usr/bin/conmon")
    held = (line for line in remains.of(instance) if line.startswith(sorts))
    return [line for line in held if not any(uid in line for uid in uids)]


def objects(instance: Instance, path: str, name: str) -> list[Wire]:
    """Once the web process answers."""

    def asked() -> list[list[Wire]] | None:
        done = instance.kubectl("get", "--raw", f"{path}?labelSelector=app%3D{name}")
        return [yaml.safe_load(done.stdout)["items"]] if done.returncode == 0 else None

    return wait_for(f"an answer to {path}", asked)[0]


def _apply(instance: Instance, text: str, *, verb: str = "apply") -> None:
    """Again while the web process is away."""
    words = ("apply", "-f", "-") if verb == "apply" else ("delete", "--ignore-not-found", "-f", "-")
    wait_for(f"kubectl {verb}", lambda: instance.kubectl(*words, stdin=text).returncode == 0)


def _until_complete(instance: Instance, name: str) -> None:
    def complete() -> bool:
        status = ("rollout", "status", f"deploy/{name}", "--timeout=30s")
        return instance.kubectl(*status, timeout=60).returncode == 0

    wait_for(f"the rollout of {name}", complete, seconds=120)
