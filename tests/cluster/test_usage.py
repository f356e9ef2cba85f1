"""What containers use, from their cgroups to `kubectl top`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.instance import Instance, Wire, wait_for
from tests.cluster.pods import container, limits, pod

ROOT = "/apis/metrics.k8s.io/v1beta1"


@pytest.fixture(scope="module")
def measured(instance: Instance, busybox: str) -> Iterator[Instance]:
    """An instance that measures every second, with a pod that works and one that sleeps."""
    busy = container("busy", busybox, "while :; do :; done", resources=limits(cpu="200m", memory="64Mi"))
    full = container("full", busybox, "dd if=/dev/zero of=/dev/shm/x bs=1M count=24; sleep 3600")
    instance.create(pod("works", busy, full))
    instance.create(pod("sleeps", container("main", busybox)))
    instance.wait_running("works")
    instance.wait_running("sleeps")
    yield instance
    for name in ("works", "sleeps"):
        instance.delete_pod(name)


def usage(instance: Instance, name: str) -> dict[str, dict[str, float]]:
    """By container: cores and bytes."""
    answer = instance.api.get(f"{ROOT}/namespaces/default/pods/{name}")
    items: list[Wire] = answer.json().get("containers") or []
    return {
        one["name"]: {
            "cpu": int(one["usage"]["cpu"].rstrip("n")) / 1e9,
            "memory": int(one["usage"]["memory"].removesuffix("Ki")) * 1024,
        }
        for one in items
    }


def test_what_containers_use_is_what_they_are_given(measured: Instance) -> None:
    wait_for("the limit is reached", lambda: 0.15 < usage(measured, "works").get("busy", {}).get("cpu", 0) < 0.25)
    wait_for("its memory is full", lambda: usage(measured, "works").get("full", {}).get("memory", 0) > 20_000_000)
    wait_for("and it rests", lambda: usage(measured, "works").get("full", {}).get("cpu", 1) < 0.05)
    wait_for("who sleeps uses nothing", lambda: usage(measured, "sleeps").get("main", {}).get("cpu", 1) < 0.05)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["top", "nodes"], ["CPU(cores)", "MEMORY(bytes)"]),
        (["top", "pods"], ["works", "sleeps"]),
        (["top", "pods", "--containers"], ["busy", "full", "main"]),
        (["top", "pods", "-A", "--sum"], ["default", "works"]),
        (["top", "pods", "-l", "app=works"], ["works"]),
        (["top", "pod", "works"], ["works"]),
    ],
    ids=lambda words: " ".join(words) if words[0] == "top" else "",
)
def test_kubectl_top(measured: Instance, words: list[str], expected: list[str]) -> None:
    if words[1] == "nodes":
        expected = [*expected, measured.node]
    wait_for("both are known", lambda: usage(measured, "works") and usage(measured, "sleeps"))
    done = measured.kubectl(*words)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in expected), done.stdout
    if "-l" in words:
        assert "sleeps" not in done.stdout
