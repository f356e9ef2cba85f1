"""Probes and hooks of a pod's worker, on a pretended host with a pretended clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.agent.pretend import Node, container, deleted, pod_wire, run


class Answers:
    """What commands in containers say: by the command's first word, a code, or how long it takes to answer 0."""

    def __init__(self, **codes: int) -> None:
        self.codes: dict[str, int] = codes
        self.seconds: dict[str, float] = {}
        self.asked: list[tuple[str, float]] = []

    def __call__(self, container_id: str, command: Sequence[str]) -> tuple[int, float]:
        self.asked.append((command[0], asyncio.get_running_loop().time()))
        return self.codes.get(command[0], 0), self.seconds.get(command[0], 0.0)

    def times(self, word: str) -> list[float]:
        return [at for each, at in self.asked if each == word]


def command(word: str, **fields: Any) -> dict[str, Any]:
    return {"exec": {"command": [word]}, **fields}


def node_with(answers: Answers, *containers: Any, **spec: Any) -> Node:
    node = Node(pod_wire(*containers, **spec))
    node.host.answers = answers
    return node


def is_ready(node: Node) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node.heard.last["conditions"])


def test_readiness_comes_and_goes_and_restarts_nothing():
    async def scenario():
        answers = Answers(ready=1)
        probe = command("ready", periodSeconds=5, failureThreshold=2)
        async with node_with(answers, container(readinessProbe=probe)) as node:
            await node.until_phase("Running")
            assert not is_ready(node)
            await asyncio.sleep(60)
            assert not is_ready(node)
            answers.codes["ready"] = 0
            await node.until(lambda: is_ready(node), seconds=6)
            answers.codes["ready"] = 1
            await asyncio.sleep(5)
            assert is_ready(node)  # one failure is not yet two
            await node.until(lambda: not is_ready(node), seconds=6)
            assert node.state()["restartCount"] == 0
            unhealthy = [e for e in node.heard.events if e.reason == "Unhealthy"]
            assert unhealthy[-1].message == "Readiness probe failed: leaving"
            assert unhealthy[-1].severity == "Warning"
            assert unhealthy[-1].field_path == "spec.containers{web}"

    run(scenario())


def test_a_container_that_needs_a_moment_is_ready_after_that_moment_not_after_a_period():
    async def scenario():
        answers = Answers(ready=1)
        async with node_with(answers, container(readinessProbe=command("ready", periodSeconds=10))) as node:
            await node.until_phase("Running")
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(0.5)
            answers.codes["ready"] = 0
            await node.until(lambda: is_ready(node))
            assert asyncio.get_running_loop().time() - began < 1
            assert "Unhealthy" not in node.heard.reasons()

    run(scenario())


def test_a_failed_liveness_probe_restarts_the_container_with_back_off():
    async def scenario():
        answers = Answers(alive=1)
        probe = command("alive", periodSeconds=2, failureThreshold=3, initialDelaySeconds=4)
        async with node_with(answers, container(livenessProbe=probe)) as node:
            await node.until(lambda: len(node.host.starts) == 3)
            first = answers.times("alive")[0]
            assert 4 <= first <= 5.2
            reasons = node.heard.reasons()
            assert reasons[:7] == ["Pulled", "Created", "Started", "Unhealthy", "Unhealthy", "Unhealthy", "Killing"]
            killing = next(e for e in node.heard.events if e.reason == "Killing")
            assert killing.message == "Container web failed liveness probe, will be restarted"
            assert "BackOff" in reasons
            answers.codes["alive"] = 0
            await asyncio.sleep(120)
            assert len(node.host.starts) == 3
            assert node.state()["restartCount"] == 2
            assert node.state()["lastState"]["terminated"]["exitCode"] == 143

    run(scenario())


def test_a_command_that_takes_too_long_has_failed():
    async def scenario():
        answers = Answers()
        answers.seconds["alive"] = 5
        probe = command("alive", timeoutSeconds=2, periodSeconds=10, failureThreshold=1)
        async with node_with(answers, container(livenessProbe=probe)) as node:
            await node.until(lambda: "Unhealthy" in node.heard.reasons())
            [event] = [e for e in node.heard.events if e.reason == "Unhealthy"]
            assert event.message == 'Liveness probe failed: command timed out: "alive" timed out after 2s'

    run(scenario())


def test_a_slow_start_is_the_startup_probes_to_judge():
    async def scenario():
        answers = Answers(up=1, alive=0)
        slow = container(
            startupProbe=command("up", periodSeconds=10, failureThreshold=30), livenessProbe=command("alive")
        )
        async with node_with(answers, slow) as node:
            await node.until_phase("Running")
            await asyncio.sleep(200)
            assert not answers.times("alive")
            assert not node.state()["started"]
            answers.codes["up"] = 0
            await node.until(lambda: node.state()["started"], seconds=11)
            before = len(answers.times("up"))
            await asyncio.sleep(30)
            assert answers.times("alive")
            assert len(answers.times("up")) == before
            assert node.state()["restartCount"] == 0

    run(scenario())


def test_a_failed_post_start_hook_ends_the_container():
    async def scenario():
        answers = Answers(hook=7)
        hooked = container(lifecycle={"postStart": command("hook")})
        async with node_with(answers, hooked, restartPolicy="Never") as node:
            await node.until_phase("Failed")
            assert "FailedPostStartHook" in node.heard.reasons()
            assert node.state()["restartCount"] == 0

    run(scenario())


def test_a_container_counts_as_started_when_its_post_start_hook_is_through():
    async def scenario():
        answers = Answers()
        answers.seconds["hook"] = 30
        first = container("first", lifecycle={"postStart": command("hook")})
        async with node_with(answers, first, container("second")) as node:
            await node.until(lambda: node.heard.statuses and "running" in node.state("first")["state"])
            assert not node.state("first")["ready"]
            assert "waiting" in node.state("second")["state"]
            await node.until(lambda: node.state("second")["ready"], seconds=31)
            assert node.state("first")["ready"]

    run(scenario())


def test_the_pre_stop_hook_comes_before_the_signal_and_counts_towards_the_grace():
    async def scenario():
        answers = Answers()
        answers.seconds["drain"] = 8
        wire = pod_wire(container(lifecycle={"preStop": command("drain")}))
        node = Node(wire)
        node.host.answers = answers
        async with node:
            await node.until_phase("Running")
            name, held = next(iter(node.host.containers.items()))
            node.desire(deleted(wire, 30))
            await node.until(lambda: answers.times("drain"))
            assert held.signals == []
            assert is_ready(node)
            await node.until(lambda: held.signals == ["SIGTERM"], seconds=9)
            await node.until(lambda: node.record.state.gone)
            assert len(answers.times("drain")) == 1
            assert name

    run(scenario())


def test_a_pre_stop_hook_that_does_not_end_is_given_up_at_the_end_of_the_grace():
    async def scenario():
        answers = Answers()
        answers.seconds["drain"] = 1000
        wire = pod_wire(container(command=["fake", "ignore-term"], lifecycle={"preStop": command("drain")}))
        node = Node(wire)
        node.host.answers = answers
        async with node:
            await node.until_phase("Running")
            held = next(iter(node.host.containers.values()))
            began = asyncio.get_running_loop().time()
            node.desire(deleted(wire, 10))
            await node.until(lambda: node.record.state.gone)
            assert held.signals == ["SIGTERM", "SIGKILL"]
            assert 12 <= asyncio.get_running_loop().time() - began < 13

    run(scenario())


def test_the_pre_stop_hook_is_not_run_when_the_container_ends_by_itself():
    async def scenario():
        answers = Answers()
        ends = container(command=["fake", "exit=0", "after=3"], lifecycle={"preStop": command("drain")})
        async with node_with(answers, ends, restartPolicy="Never") as node:
            await node.until_phase("Succeeded")
            assert not answers.times("drain")

    run(scenario())


def test_a_failed_liveness_probe_runs_the_pre_stop_hook():
    async def scenario():
        answers = Answers(alive=1)
        hooked = container(
            livenessProbe=command("alive", initialDelaySeconds=5, failureThreshold=1),
            lifecycle={"preStop": command("drain")},
        )
        async with node_with(answers, hooked) as node:
            await node.until(lambda: len(node.host.starts) == 2)
            assert len(answers.times("drain")) == 1

    run(scenario())


def test_an_agent_that_comes_back_leaves_what_was_ready_ready():
    async def scenario():
        answers = Answers()
        wire = pod_wire(container(readinessProbe=command("ready", periodSeconds=10)))
        node = Node(wire)
        node.host.answers = answers
        async with node:
            await node.until(lambda: node.heard.statuses and is_ready(node))
        node.record.shown = None
        async with Node(wire, host=node.host, record=node.record) as after:
            await after.until(lambda: after.heard.statuses)
            assert is_ready(after)
            asked = len(answers.asked)
            await asyncio.sleep(11)
            assert len(answers.asked) > asked
            assert all(is_ready_in(report.status) for report in after.heard.statuses)

    run(scenario())


def is_ready_in(status: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"])
