"""Any process may be killed at any instant: containers go on, nothing is lost, the next pass mends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.instance import Instance, condition, container_status, wait_for
from tests.cluster.pods import container, pod

COUNTER = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done"


@pytest.fixture(scope="module")
def counting(instance: Instance, busybox: str) -> Iterator[str]:
    instance.create(pod("counting", container("main", busybox, COUNTER)))
    instance.wait_running("counting")
    yield "counting"
    instance.delete_pod("counting")


class Follower(threading.Thread):
    """Reads a pod's log as a user's script would: reconnects with the time of the last line it has."""

    def __init__(self, instance: Instance, name: str) -> None:
        super().__init__(daemon=True)
        self._client = instance.client(timeout=10)
        self._path = f"/api/v1/namespaces/default/pods/{name}/log"
        self.numbers: list[int] = []
        self.ended = threading.Event()

    def run(self) -> None:
        since = ""
        while not self.ended.is_set():
            query = {"follow": "true", "timestamps": "true", **({"sinceTime": since} if since else {})}
            try:
                with self._client.stream("GET", self._path, params=query) as answer:
                    for line in answer.iter_lines():
                        time, _, text = line.partition(" ")
                        if text.startswith("line ") and (not self.numbers or int(text[5:]) > self.numbers[-1]):
                            self.numbers.append(int(text[5:]))
                            since = time
                        if self.ended.is_set():
                            return
            except httpx.TransportError:
                self.ended.wait(0.1)


@pytest.mark.parametrize("victim", ["agent", "worker", "web", "redis"])
def test_killing_a_process_costs_no_container_and_no_line(
    instance: Instance, counting: str, busybox: str, victim: str
) -> None:
    before = instance.wait_running(counting)
    follower = Follower(instance, counting)
    follower.start()
    wait_for("the follower reads", lambda: len(follower.numbers) > 10)
    pid = instance.pid_of(victim)
    os.kill(pid, signal.SIGKILL)
    wait_for(f"another {victim} runs", lambda: _other(instance, victim, pid))

    # What was asked for while things were down is done once they are back.
    wait_for("the API takes a new pod", lambda: _try_create(instance, f"after-{victim}", busybox))
    instance.wait_running(f"after-{victim}")
    wait_for("the node is Ready", lambda: _node_ready(instance))

    seen = len(follower.numbers)
    wait_for("lines go on", lambda: len(follower.numbers) > seen + 20)
    follower.ended.set()
    follower.join(timeout=90)
    assert follower.numbers == list(range(follower.numbers[0], follower.numbers[-1] + 1))
    after = instance.wait_running(counting)
    assert container_status(after, "main")["containerID"] == container_status(before, "main")["containerID"]
    assert container_status(after, "main")["restartCount"] == container_status(before, "main")["restartCount"] == 0
    instance.delete_pod(f"after-{victim}")


def _other(instance: Instance, process: str, pid: int) -> bool:
    try:
        return instance.pid_of(process) != pid
    except AssertionError:
        return False


def _try_create(instance: Instance, name: str, image: str) -> bool:
    body = pod(name, container("main", image))
    try:
        answer = instance.api.post("/api/v1/namespaces/default/pods", json=body)
    except httpx.TransportError:
        return False
    return answer.status_code in {httpx.codes.CREATED, httpx.codes.CONFLICT}


def _node_ready(instance: Instance) -> bool:
    return condition(instance.api.get(f"/api/v1/nodes/{instance.node}").json(), "Ready") == "True"


def test_containers_outlive_a_stop_and_are_adopted_by_the_next_start(instance: Instance, counting: str) -> None:
    before = instance.wait_running(counting)
    last = int(instance.logs(counting, tailLines=1).split()[-1])
    instance.stop()
    instance.up()
    after = instance.wait_running(counting)
    status = container_status(after, "main")
    assert status["containerID"] == container_status(before, "main")["containerID"]
    assert status["restartCount"] == 0
    wait_for("lines go on", lambda: int(instance.logs(counting, tailLines=1).split()[-1]) > last + 10)


def test_a_container_that_ended_while_the_agent_was_away_is_started_again(instance: Instance, busybox: str) -> None:
    instance.create(pod("fragile", container("main", busybox, "echo started; sleep 3600")))
    before = instance.wait_running("fragile")
    agent = instance.pid_of("agent")
    os.kill(agent, signal.SIGSTOP)
    try:
        bare = container_status(before, "main")["containerID"].rsplit("/", 1)[-1]
        _kill_container(instance, bare)
    finally:
        os.kill(agent, signal.SIGKILL)
    instance.wait_pod(
        "fragile",
        "is started again",
        lambda found: container_status(found, "main").get("restartCount") == 1 and condition(found, "Ready") == "True",
    )
    instance.delete_pod("fragile")


def _kill_container(instance: Instance, container_id: str) -> None:
    from pathlib import Path

    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        for procs in (root / f"slipway-{instance.id}").glob(f"**/*{container_id}*/cgroup.procs"):
            for word in procs.read_text().split():
                os.kill(int(word), signal.SIGKILL)
            return
    raise AssertionError(f"no cgroup of {container_id}")
