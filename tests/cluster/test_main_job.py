"""The main job on the real thing: from REST to a running, limited container whose logs stream back."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from tests import images
from tests.cluster.instance import Instance, Wire, container_status, wait_for
from tests.cluster.pods import container, limits, pod
from tests.ports import free_port


def cgroup_file(instance: Instance, controller: str, container_id: str, name: str) -> str:
    """A file of a container's cgroup, wherever the host keeps that controller (v1 or v2)."""
    roots = [Path("/sys/fs/cgroup") / controller, Path("/sys/fs/cgroup")]
    bare = container_id.rsplit("/", 1)[-1]
    for root in roots:
        for found in (root / f"slipway-{instance.id}").glob(f"**/*{bare}*/{name}"):
            return found.read_text().strip()
    raise AssertionError(f"no {name} for {container_id} below {roots}")


def cpu_stat(instance: Instance, container: str) -> dict[str, int]:
    lines = cgroup_file(instance, "cpu", container, "cpu.stat").splitlines()
    return {name: int(value) for name, value in (line.split() for line in lines)}


def cpu_usage_seconds(instance: Instance, container: str) -> float:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return cpu_stat(instance, container)["usage_usec"] / 1e6
    return int(cgroup_file(instance, "cpuacct", container, "cpuacct.usage")) / 1e9


def container_id(instance: Instance, name: str, container_name: str) -> str:
    running = instance.pod(name)
    assert running is not None
    return str(container_status(running, container_name)["containerID"])


@pytest.fixture(scope="module")
def served(instance: Instance, busybox: str):
    """A pod of two containers with limits and a published port."""
    port = free_port()
    web = container(
        "web",
        busybox,
        "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 80 -h /www",
        ports=[{"containerPort": 80, "hostPort": port}],
        resources=limits(cpu="250m", memory="64Mi"),
    )
    talker = container(
        "talker",
        busybox,
        "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2; done",
        resources=limits(cpu="100m", memory="32Mi"),
    )
    instance.create(pod("served", web, talker))
    instance.wait_running("served")
    yield port
    instance.delete_pod("served")


def test_a_published_port_answers(served: int) -> None:
    def answer() -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{served}/", timeout=5) as response:
                return str(response.read().decode())
        except OSError:
            return None

    assert wait_for("the web server answers", answer).strip() == "served"


def test_containers_of_a_pod_share_the_network(instance: Instance, served: int) -> None:
    done = instance.kubectl("exec", "served", "-c", "talker", "--", "wget", "-qO-", "http://127.0.0.1/")
    assert (done.stdout.strip(), done.returncode) == ("served", 0), done.stderr


def test_the_cgroup_holds_the_limits(instance: Instance, served: int) -> None:
    web = container_id(instance, "served", "web")
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        assert cgroup_file(instance, "", web, "cpu.max") == "25000 100000"
        assert cgroup_file(instance, "", web, "memory.max") == str(64 * 2**20)
    else:
        assert cgroup_file(instance, "cpu", web, "cpu.cfs_quota_us") == "25000"
        assert cgroup_file(instance, "memory", web, "memory.limit_in_bytes") == str(64 * 2**20)


def test_logs_follow_as_lines_appear(instance: Instance, served: int) -> None:
    lines = []
    with instance.api.stream(
        "GET", "/api/v1/namespaces/default/pods/served/log", params={"container": "talker", "follow": "true"}
    ) as stream:
        for line in stream.iter_lines():
            lines.append(int(line.removeprefix("line ")))
            if len(lines) >= 20:
                break
    assert lines == list(range(1, len(lines) + 1))


def test_exec_returns_the_exit_code(instance: Instance, served: int) -> None:
    done = instance.kubectl("exec", "served", "-c", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err" in done.stderr


def test_exec_passes_stdin_to_its_end(instance: Instance, served: int) -> None:
    text = "x" * 300_000
    done = instance.kubectl("exec", "-i", "served", "-c", "web", "--", "wc", "-c", stdin=text)
    assert done.stdout.strip() == str(len(text)), done.stderr


def test_a_memory_hog_is_oom_killed_and_restarts(instance: Instance, busybox: str) -> None:
    script = "sleep 0.5; x=a; while true; do x=$x$x; done"
    instance.create(pod("hog", container("hog", busybox, script, resources=limits(memory="16Mi"))))

    def killed(found: Wire) -> bool:
        status = container_status(found, "hog")
        last = (status.get("lastState") or {}).get("terminated") or {}
        return status.get("restartCount", 0) >= 1 and last.get("reason") == "OOMKilled"

    found = instance.wait_pod("hog", "is OOM killed and restarted", killed)
    assert container_status(found, "hog")["lastState"]["terminated"]["exitCode"] == 137
    instance.delete_pod("hog")


def test_a_cpu_hog_is_held_to_its_quota(instance: Instance, busybox: str) -> None:
    instance.create(pod("spin", container("spin", busybox, "while :; do :; done", resources=limits(cpu="100m"))))
    instance.wait_running("spin")
    spinning = container_id(instance, "spin", "spin")

    def throttled() -> bool:
        return cpu_stat(instance, spinning)["nr_throttled"] >= 10

    wait_for("the kernel throttles the container", throttled)
    # Usage first: periods only grow. True however busy the machine is; a tenth of one period is slack for the last one.
    used = cpu_usage_seconds(instance, spinning)
    periods = cpu_stat(instance, spinning)["nr_periods"]
    assert used <= 0.01 * (periods + 1) * 1.1
    instance.delete_pod("spin")


def test_a_fork_bomb_stops_at_the_pid_limit(instance: Instance, busybox: str) -> None:
    script = "trap '' TERM; while true; do sleep 60 & done 2>/dev/null; sleep 3600"
    instance.create(pod("bomb", container("bomb", busybox, script)))
    instance.wait_pod("bomb", "starts", lambda found: bool(container_status(found, "bomb").get("containerID")))
    bomb = container_id(instance, "bomb", "bomb")

    def refused() -> bool:
        events = cgroup_file(instance, "pids", bomb, "pids.events")
        return int(events.split()[1]) > 0

    wait_for("a fork is refused by the pids controller", refused)
    limit = int(cgroup_file(instance, "pids", bomb, "pids.max"))
    assert int(cgroup_file(instance, "pids", bomb, "pids.current")) <= limit
    instance.delete_pod("bomb")


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        ("no-such-image", "nothing:here", "ErrImagePull"),
        ("no-registry", "127.0.0.1:1/nothing:here", "ErrImagePull"),
    ],
)
def test_a_bad_image_is_said(instance: Instance, test_registry, name: str, image: str, reason: str) -> None:
    reference = image if "/" in image else test_registry.reference(image)
    instance.create(pod(name, container("main", reference)))

    def said(found: Wire) -> bool:
        waiting = (container_status(found, "main").get("state") or {}).get("waiting") or {}
        return waiting.get("reason") in {reason, "ImagePullBackOff"} and len(waiting.get("message", "")) > 10

    instance.wait_pod(name, f"says {reason}", said)
    instance.delete_pod(name)


def test_a_hostile_image_is_said(instance: Instance, test_registry) -> None:
    layer = images.layer([images.file("../../outside", "x")])
    reference = images.image([layer], config={"Cmd": ["/x"]}).push(test_registry, "hostile:1")
    instance.create(pod("hostile", container("main", reference)))

    def said(found: Wire) -> bool:
        waiting = (container_status(found, "main").get("state") or {}).get("waiting") or {}
        return "leads outside its root" in waiting.get("message", "")

    instance.wait_pod("hostile", "says why its image is refused", said)
    instance.delete_pod("hostile")


def test_a_command_that_does_not_exist_is_said(instance: Instance, busybox: str) -> None:
    spec = {"name": "main", "image": busybox, "command": ["/no/such/program"]}
    instance.create(pod("nocmd", spec))

    def said(found: Wire) -> bool:
        status = container_status(found, "main")
        states = [status.get("state") or {}, status.get("lastState") or {}]
        messages = [(inner or {}).get("message", "") for state in states for inner in state.values()]
        return any("/no/such/program" in message for message in messages)

    instance.wait_pod("nocmd", "names the missing program", said)
    instance.delete_pod("nocmd")


def test_an_unplaceable_pod_says_why_and_is_placed_when_it_fits(instance: Instance, busybox: str) -> None:
    instance.create(pod("picky", container("main", busybox), nodeSelector={"disk": "fast"}))

    def explained(found: Wire) -> bool:
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(c["type"] == "PodScheduled" and c["status"] == "False" and c.get("message") for c in conditions)

    instance.wait_pod("picky", "says why it is not placed", explained)
    patch = {"metadata": {"labels": {"disk": "fast"}}}
    headers = {"Content-Type": "application/merge-patch+json"}
    instance.api.patch(f"/api/v1/nodes/{instance.node}", json=patch, headers=headers).raise_for_status()
    instance.wait_running("picky")
    instance.delete_pod("picky")


def test_configuration_reaches_the_container_and_follows_changes(instance: Instance, busybox: str) -> None:
    instance.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "one"}}
    )
    instance.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"key": "s3cret"}}
    )
    main = container(
        "main",
        busybox,
        'echo "$MODE $KEY $GREETING"; while true; do cat /settings/mode; echo; sleep 0.1; done',
        env=[
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "key"}}},
            {"name": "GREETING", "value": "hello-$(MODE)"},
        ],
        volumeMounts=[{"name": "settings", "mountPath": "/settings"}],
    )
    instance.create(pod("configured", main, volumes=[{"name": "settings", "configMap": {"name": "settings"}}]))
    instance.wait_running("configured")
    wait_for("the first line", lambda: instance.logs("configured").startswith("one s3cret hello-one\n"))
    headers = {"Content-Type": "application/merge-patch+json"}
    instance.api.patch(
        "/api/v1/namespaces/default/configmaps/settings", json={"data": {"mode": "two"}}, headers=headers
    )
    wait_for("the volume shows the change", lambda: "two" in instance.logs("configured", tailLines=3))
    instance.delete_pod("configured")
