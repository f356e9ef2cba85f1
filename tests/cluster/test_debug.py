"""`kubectl debug`: containers that are added to a pod which runs."""

from __future__ import annotations

import httpx

from tests.cluster.instance import Instance, Wire, condition, wait_for
from tests.cluster.pods import container, pod


def debuggers(instance: Instance, name: str) -> dict[str, Wire]:
    status = (instance.pod(name) or {}).get("status", {})
    return {each["name"]: each for each in status.get("ephemeralContainerStatuses", [])}


def test_a_container_for_debugging_sees_the_processes_of_its_target(instance: Instance, busybox: str) -> None:
    instance.create(pod("ailing", container("main", busybox, "exec sleep 4321")))
    instance.wait_running("ailing")
    words = ("debug", "ailing", f"--image={busybox}", "--target=main")
    done = instance.kubectl(*words, "-c", "once", "--", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")
    assert done.returncode == 0, done.stderr
    wait_for("it has ended", lambda: "terminated" in debuggers(instance, "ailing").get("once", {}).get("state", {}))
    assert instance.kubectl("logs", "ailing", "-c", "once").stdout.strip() == "sleep 4321"

    talked = instance.kubectl(*words, "-i", "-c", "talk", "--", "sh", stdin="cat /proc/1/comm; exit 7\n")
    assert "sleep" in talked.stdout.split(), talked
    told = wait_for(
        "it has ended, too",
        lambda: (debuggers(instance, "ailing").get("talk", {}).get("state") or {}).get("terminated"),
    )
    assert told["exitCode"] == 7
    now = instance.pod("ailing")
    assert now is not None
    assert (condition(now, "Ready"), now["status"]["containerStatuses"][0]["restartCount"]) == ("True", 0)
    instance.delete_pod("ailing")


def test_only_the_subresource_adds_one(instance: Instance, busybox: str) -> None:
    instance.create(pod("sound", container("main", busybox)))
    patch = {"spec": {"ephemeralContainers": [{"name": "once", "image": busybox}], "hostname": "other"}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    path = "/api/v1/namespaces/default/pods/sound"
    refused = instance.api.patch(path, json=patch, headers=headers)
    assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    changed = instance.api.patch(f"{path}/ephemeralcontainers", json=patch, headers=headers)
    assert changed.status_code == httpx.codes.OK, changed.text
    spec = changed.json()["spec"]
    assert [each["name"] for each in spec["ephemeralContainers"]] == ["once"]
    assert "hostname" not in spec
    instance.delete_pod("sound")
