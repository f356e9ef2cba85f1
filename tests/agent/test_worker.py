"""A pod's whole life by its worker, on a pretended host with a pretended clock."""

from __future__ import annotations

import asyncio
import itertools

from nodeagent.errors import ImagePullError
from nodeagent.facilities import ImageConfig
from nodeagent.runtime.fake import FakeHost
from schema.base import Wire
from tests.agent.pretend import LoopClock, Node, container, deleted, pod_wire, run


def conditions(status: Wire) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in status["conditions"]}


def test_it_runs_a_pod_and_says_so():
    async def scenario():
        async with Node(pod_wire()) as node:
            await node.until_phase("Running")
            status = node.heard.last
            assert status["podIP"] == "10.244.0.2"
            assert status["hostIP"] == "192.0.2.10"
            assert set(conditions(status).values()) == {"True"}
            web = node.state()
            assert web["ready"]
            assert web["started"]
            assert web["restartCount"] == 0
            assert web["containerID"] == f"slipway://{node.record.uid}-web-0"
            assert web["imageID"].startswith("shop@sha256:")
            assert node.heard.reasons() == ["Pulled", "Created", "Started"]
            assert node.heard.events[-1].field_path == "spec.containers{web}"

    run(scenario())


def test_init_containers_run_one_after_the_other_before_the_main_ones():
    async def scenario():
        inits = [container("one", ["fake", "exit=0", "after=5"]), container("two", ["fake", "exit=0", "after=5"])]
        async with Node(pod_wire(container("a"), container("b"), initContainers=inits)) as node:
            await node.until_phase("Running")
            assert [name.rsplit("-", 2)[1] for name in node.host.starts] == ["one", "two", "a", "b"]
            assert asyncio.get_running_loop().time() >= 10
            assert node.state("one")["state"]["terminated"]["reason"] == "Completed"
            assert node.state("one")["ready"]

    run(scenario())


def test_a_failed_init_container_of_a_pod_that_never_restarts_fails_the_pod():
    async def scenario():
        inits = [container("one", ["fake", "exit=3"])]
        async with Node(pod_wire(initContainers=inits, restartPolicy="Never")) as node:
            await node.until_phase("Failed")
            await node.until(node.is_clean)
            assert node.state("one")["state"]["terminated"]["exitCode"] == 3
            assert node.host.creations == [f"{node.record.uid}-one-0"]

    run(scenario())


def test_a_pod_whose_containers_succeed_is_succeeded_and_gives_its_network_back():
    async def scenario():
        wire = pod_wire(container("web", ["fake", "exit=0", "after=1"]), restartPolicy="OnFailure")
        async with Node(wire) as node:
            await node.until_phase("Succeeded")
            await node.until(node.is_clean)
            assert node.heard.last["podIP"] == "10.244.0.2"
            assert conditions(node.heard.last)["Ready"] == "False"
            assert node.heard.phases() == ["Pending", "Running", "Succeeded"]

    run(scenario())


def test_a_crashing_container_restarts_at_once_then_after_10_20_40_seconds():
    async def scenario():
        async with Node(pod_wire(container("web", ["fake", "exit=1"]))) as node:
            began = [0.0]
            while len(began) < 5:
                await node.until(lambda: len(node.host.starts) > len(began))
                began.append(asyncio.get_running_loop().time())
            gaps = [round(later - before) for before, later in itertools.pairwise(began)]
            assert gaps == [0, 10, 20, 40]
            await node.until(lambda: node.state()["state"].get("waiting"))
            waiting = node.state()["state"]["waiting"]
            assert waiting["reason"] == "CrashLoopBackOff"
            assert waiting["message"].startswith("back-off 1m20s restarting failed container=web pod=shop_default(")
            assert node.state()["lastState"]["terminated"]["exitCode"] == 1
            assert node.heard.last["phase"] == "Running"
            assert node.heard.reasons().count("BackOff") == 4
            assert len(node.host.containers) <= 1

    run(scenario())


def test_ten_minutes_of_running_forgive_the_crashes():
    async def scenario():
        async with Node(pod_wire()) as node:
            for _ in range(3):
                await node.until(lambda: node.record.state.container("web").phase == "running")
                node.end("web", 1)
                await asyncio.sleep(0.1)
            await node.until(lambda: node.record.state.container("web").phase == "running")
            await asyncio.sleep(601)
            before = asyncio.get_running_loop().time()
            node.end("web", 1)
            await node.until(lambda: len(node.host.starts) == 5)
            assert asyncio.get_running_loop().time() - before < 1

    run(scenario())


def test_an_oom_kill_is_called_so():
    async def scenario():
        wire = pod_wire(container("web", ["fake", "oom", "after=1"]), restartPolicy="Never")
        async with Node(wire) as node:
            await node.until_phase("Failed")
            ended = node.state()["state"]["terminated"]
            assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)

    run(scenario())


def test_a_command_that_cannot_run_is_a_failed_attempt_that_says_why():
    async def scenario():
        async with Node(pod_wire(container("web", ["fake", "refuse"]))) as node:
            await node.until(lambda: node.heard.statuses and node.state()["restartCount"] == 2)
            ended = node.state()["lastState"]["terminated"]
            assert ended["reason"] == "ContainerCannotRun"
            assert "not found" in ended["message"]

    run(scenario())


def test_a_deleted_pod_gets_its_stop_signal_and_leaves_nothing():
    async def scenario():
        host = FakeHost(now=LoopClock().now)
        host.add_image("shop:1", ImageConfig(stop_signal="QUIT"))
        wire = pod_wire()
        async with Node(wire, host=host) as node:
            await node.until_phase("Running")
            (running,) = node.host.containers.values()
            node.desire(deleted(wire, 30))
            await node.until(lambda: node.heard.statuses[-1].gone)
            assert running.signals == ["SIGQUIT"]
            assert node.is_clean()
            assert node.state()["state"]["terminated"]["exitCode"] == 143
            assert not (node.home / "pods" / node.record.uid).exists()
            assert "Killing" in node.heard.reasons()

    run(scenario())


def test_a_container_that_ignores_its_signal_is_killed_at_the_end_of_the_grace():
    async def scenario():
        wire = pod_wire(container("web", ["fake", "ignore-term"]))
        async with Node(wire) as node:
            await node.until_phase("Running")
            (running,) = node.host.containers.values()
            before = asyncio.get_running_loop().time()
            node.desire(deleted(wire, 30))
            await node.until(lambda: node.heard.statuses[-1].gone)
            assert running.signals == ["SIGTERM", "SIGKILL"]
            assert 30 <= asyncio.get_running_loop().time() - before < 31

    run(scenario())


def test_a_shorter_grace_hurries_a_pod_that_is_ending():
    async def scenario():
        wire = pod_wire(container("web", ["fake", "ignore-term"]))
        async with Node(wire) as node:
            await node.until_phase("Running")
            before = asyncio.get_running_loop().time()
            node.desire(deleted(wire, 300))
            await asyncio.sleep(5)
            node.desire(deleted(wire, 2))
            await node.until(lambda: node.heard.statuses[-1].gone)
            assert asyncio.get_running_loop().time() - before < 8

    run(scenario())


def test_a_pod_whose_object_is_gone_is_killed_at_once():
    async def scenario():
        async with Node(pod_wire(container("web", ["fake", "ignore-term"]))) as node:
            await node.until_phase("Running")
            (running,) = node.host.containers.values()
            node.record.removed = True
            node.record.wake.set()
            await node.until(lambda: node.heard.statuses[-1].gone, seconds=1)
            assert running.signals == ["SIGKILL"]
            assert node.is_clean()

    run(scenario())


def test_a_pod_that_the_control_plane_gives_up_is_ended_and_keeps_its_logs():
    async def scenario():
        wire = pod_wire()
        async with Node(wire) as node:
            await node.until_phase("Running")
            node.desire(wire | {"status": {"phase": "Failed", "reason": "Evicted", "message": "too much"}})
            await node.until_phase("Failed")
            await node.until(node.is_clean)
            assert (node.heard.last["reason"], node.heard.last["message"]) == ("Evicted", "too much")
            assert (node.home / "pods" / node.record.uid / "logs").exists()
            assert not node.heard.statuses[-1].gone

    run(scenario())


def test_sidecars_start_first_keep_running_and_end_last():
    async def scenario():
        sidecar = container("proxy", restartPolicy="Always")
        wire = pod_wire(
            container("job", ["fake", "exit=0", "after=5"]), initContainers=[sidecar], restartPolicy="Never"
        )
        async with Node(wire) as node:
            await node.until_phase("Succeeded")
            assert [name.rsplit("-", 2)[1] for name in node.host.starts] == ["proxy", "job"]
            assert node.state("proxy")["state"]["terminated"]["exitCode"] == 143

    run(scenario())


def test_the_active_deadline_fails_the_pod():
    async def scenario():
        async with Node(pod_wire(activeDeadlineSeconds=60)) as node:
            await node.until_phase("Failed")
            assert node.heard.last["reason"] == "DeadlineExceeded"
            assert 60 <= asyncio.get_running_loop().time() < 62
            await node.until(node.is_clean)

    run(scenario())


def test_an_image_that_cannot_be_pulled_is_tried_again_with_back_off():
    async def scenario():
        wire = pod_wire(container("web") | {"image": "gone:1"})
        async with Node(wire) as node:
            node.host.broken_images["gone:1"] = "registry.example: no such image"
            await node.until(lambda: node.heard.statuses and "message" in node.state()["state"]["waiting"])
            assert node.state()["state"]["waiting"]["reason"] == "ErrImagePull"
            await node.until(lambda: node.state()["state"]["waiting"]["reason"] == "ImagePullBackOff")
            assert "no such image" in node.state()["state"]["waiting"]["message"]
            await node.until(lambda: node.heard.reasons().count("Pulling") == 3)
            assert 30 <= asyncio.get_running_loop().time() < 32
            del node.host.broken_images["gone:1"]
            await node.until_phase("Running")

    run(scenario())


def test_a_pull_does_not_keep_a_pod_from_being_deleted():
    async def scenario():
        wire = pod_wire(container("web") | {"image": "huge:1"})
        async with Node(wire) as node:
            node.host.pull_seconds = 3600
            await node.until(lambda: "Pulling" in node.heard.reasons())
            node.desire(deleted(wire, 30))
            await node.until(lambda: node.heard.statuses[-1].gone, seconds=5)
            assert node.is_clean()

    run(scenario())


def test_an_image_that_must_not_be_pulled_is_said_to_be_missing():
    async def scenario():
        async with Node(pod_wire(container("web", imagePullPolicy="Never") | {"image": "gone:1"})) as node:
            await node.until(lambda: node.heard.statuses and "message" in node.state()["state"]["waiting"])
            assert node.state()["state"]["waiting"]["reason"] == "ErrImageNeverPull"

    run(scenario())


def test_a_missing_config_map_is_named_and_its_coming_starts_the_container():
    async def scenario():
        env = [{"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "paint", "key": "colour"}}}]
        async with Node(pod_wire(container("web", env=env))) as node:
            await node.until(lambda: node.heard.statuses and "message" in node.state()["state"]["waiting"])
            waiting = node.state()["state"]["waiting"]
            assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "paint" not found'}
            paint = {"metadata": {"name": "paint", "namespace": "default"}, "data": {"colour": "blue"}}
            node.context.objects.config_maps[("default", "paint")] = paint
            node.record.refresh = True
            node.record.wake.set()
            await node.until(lambda: node.heard.last["phase"] == "Running", seconds=1)
            (created,) = node.host.containers.values()
            assert "COLOUR=blue" in created.plan.spec["process"]["env"]
            assert node.state()["restartCount"] == 0

    run(scenario())


def test_a_volume_that_cannot_be_made_is_an_event_and_a_reason():
    async def scenario():
        volumes = [{"name": "v", "configMap": {"name": "paint"}}]
        async with Node(pod_wire(volumes=volumes)) as node:
            await node.until(lambda: "FailedMount" in node.heard.reasons())
            await node.until(lambda: node.state()["state"]["waiting"].get("message"))
            assert 'configmap "paint" not found' in node.state()["state"]["waiting"]["message"]
            await asyncio.sleep(300)
            assert node.heard.reasons().count("FailedMount") == 1

    run(scenario())


def test_no_pod_starts_while_the_disk_is_full_and_the_reason_is_said():
    async def scenario():
        async with Node(pod_wire()) as node:
            full = ["the disk is 99 % full"]
            node.context.pressure = lambda: full[0]
            await node.until(lambda: node.heard.statuses and node.state()["state"]["waiting"].get("message"))
            assert node.state()["state"]["waiting"]["message"] == full[0]
            assert sorted(node.heard.reasons()) == ["NodeUnderDiskPressure", "Pulled"]
            full[0] = ""
            await node.until_phase("Running")

    run(scenario())


def test_a_full_disk_is_not_filled_further_by_pulls():
    async def scenario():
        async with Node(pod_wire(container("web") | {"image": "new:1"})) as node:
            full = ["the disk is 99 % full"]
            node.context.pressure = lambda: full[0]
            await node.until(lambda: "Failed" in node.heard.reasons())
            assert "Pulling" not in node.heard.reasons()
            assert "the disk is 99 % full" in node.state()["state"]["waiting"]["message"]
            full[0] = ""
            await node.until_phase("Running")

    run(scenario())


def test_a_changed_image_restarts_the_container():
    async def scenario():
        wire = pod_wire()
        async with Node(wire) as node:
            node.host.add_image("shop:2")
            await node.until_phase("Running")
            node.desire(pod_wire(container("web") | {"image": "shop:2"}, uid=node.record.uid))
            await node.until(lambda: node.state()["restartCount"] == 1 and "running" in node.state()["state"])
            assert node.record.state.container("web").image == "shop:2"

    run(scenario())


def test_a_pod_that_had_ended_before_the_agent_knew_it_is_not_run_again():
    async def scenario():
        wire = pod_wire() | {"status": {"phase": "Succeeded"}}
        async with Node(wire) as node:
            await node.until_phase("Succeeded")
            await asyncio.sleep(60)
            assert node.host.creations == []

    run(scenario())


def test_a_worker_that_falls_over_is_started_again():
    async def scenario():
        async with Node(pod_wire()) as node:
            falls = iter([True, True])

            def hook(operation: str) -> None:
                if operation.startswith("started") and next(falls, False):
                    raise RuntimeError("a defect")

            node.host.hook = hook
            await node.until_phase("Running")
            assert len(node.host.creations) == 1
            assert len(node.host.starts) == 1

    run(scenario())


def test_a_pull_that_falls_over_is_tried_again():
    async def scenario():
        async with Node(pod_wire(container("web") | {"image": "new:1"})) as node:
            failures = iter([ImagePullError("cut"), OSError(28, "No space left on device")])

            def hook(operation: str) -> None:
                if operation.startswith("pull") and (failure := next(failures, None)):
                    raise failure

            node.host.hook = hook
            await node.until_phase("Running")
            assert node.heard.reasons().count("Pulling") == 3

    run(scenario())


def test_an_image_that_is_here_is_not_run_unsigned_where_signatures_are_wanted():
    async def scenario():
        wire = pod_wire(container("web"))
        async with Node(wire) as node:
            node.context.signature_keys = lambda namespace: "a key"
            node.host.unsigned_images.add("shop:1")
            await node.until(lambda: node.heard.statuses and "message" in node.state()["state"]["waiting"])
            assert "not signed" in node.state()["state"]["waiting"]["message"]
            node.host.unsigned_images.clear()
            await node.until_phase("Running")

    run(scenario())
