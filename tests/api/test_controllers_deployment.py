"""ReplicaSets and Deployments, from each commit through the controllers that it concerns."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from controlplane.controllers import deployment as deployments
from controlplane.controllers import pods, registry
from controlplane.controllers.ownership import is_controlled_by
from controlplane.store import objects
from controlplane.store.errors import StoreError
from schema import kinds, meta, validation
from tests.api.client import Api
from tests.api.cluster_objects import condition, event_reasons, node, pod
from tests.api.deployments import REVISION, ROOT, Workloads, deployment, image_of
from tests.api.pump import pumping
from tests.unit.test_schema_validation_workloads import workload

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(api: Api):
    node(cpu="64", memory="64Gi", pods="500")
    with pumping() as pump:
        yield Workloads(api, pump)


def rs(**spec):
    return workload(kinds.REPLICA_SET, **spec)


RS = f"{ROOT}/replicasets"


# ReplicaSets


def test_a_replica_set_keeps_its_number(world):
    world.make(rs(replicas=3), RS)
    assert len(world.pods()) == 3
    world.make_ready()
    status = objects.get(kinds.REPLICA_SET, "default", "x")["status"]
    assert {status[name] for name in ("replicas", "readyReplicas", "availableReplicas", "fullyLabeledReplicas")} == {3}
    assert status["observedGeneration"] == 1
    objects.delete(kinds.POD, "default", world.pods()[0]["metadata"]["name"])
    world.pump.settle()
    assert len(world.pods()) == 3
    world.patch({"spec": {"replicas": 0}}, "x", RS)
    world.end_leaving()
    assert world.pods() == []
    assert {"SuccessfulCreate", "SuccessfulDelete"} <= {reason for reason, *_ in event_reasons("x")}


def test_what_is_as_it_should_be_writes_nothing(world):
    world.make(deployment(replicas=2))
    world.finish()
    before = objects.current_revision()
    for name, controller in registry.CONTROLLERS.items():
        if name in ("deployment", "replicaset"):
            for key in controller.all_keys():
                controller.reconcile(*key)
    assert objects.current_revision() == before


def test_a_hundred_at_once(world):
    world.make(rs(replicas=100), RS)
    assert len(world.pods()) == 100
    assert all(one["spec"]["nodeName"] for one in world.pods())


def test_adoption_and_release(world):
    pod("stray", metadata={"labels": {"app": "x"}})
    owner = world.make(rs(replicas=2), RS)
    assert len(world.pods()) == 2
    assert is_controlled_by(objects.get(kinds.POD, "default", "stray"), owner)
    pod("late", metadata={"labels": {"app": "x"}})
    world.pump.settle()
    world.end_leaving()
    assert len(world.pods()) == 2, "it was adopted, and one is too many"

    chosen = world.pods()[0]["metadata"]["name"]
    objects.mutate(kinds.POD, "default", chosen, _as_debug)
    world.pump.settle()
    released = objects.get(kinds.POD, "default", chosen)
    assert not released["metadata"].get("ownerReferences")
    assert len(world.pods()) == 3


def _as_debug(wire):
    return {**wire, "metadata": {**wire["metadata"], "labels": {"app": "debug"}}}


def test_two_passes_over_one_state_make_no_pod_twice(world):
    """Redis was away, and two workers had the same key."""
    made = rs(replicas=5)
    made["metadata"]["namespace"] = "default"
    owner = objects.create(kinds.REPLICA_SET, made)
    controller = registry.CONTROLLERS["replicaset"]
    seen = controller.gather(owner)
    for _ in range(2):
        plan = controller.plan(owner, seen, meta.now())
        with contextlib.suppress(StoreError):
            controller._take(plan)
    assert len(world.pods()) == 5


def test_what_a_quota_refuses_is_said_and_tried_again(world):
    quota = {"metadata": {"name": "small", "namespace": "default"}, "spec": {"hard": {"pods": "2"}}}
    objects.create(kinds.RESOURCE_QUOTA, quota)
    world.make(rs(replicas=4), RS)
    assert len(world.pods()) == 2
    told = objects.get(kinds.REPLICA_SET, "default", "x")
    assert condition(told, "ReplicaFailure")["reason"] == "FailedCreate"
    assert "exceeded quota: small" in condition(told, "ReplicaFailure")["message"]
    assert any(reason == "FailedCreate" for reason, *_ in event_reasons("x"))
    assert [work.arguments[0] for work in world.pump.waits] == ["replicaset"]
    objects.delete(kinds.RESOURCE_QUOTA, "default", "small")
    registry.CONTROLLERS["replicaset"].reconcile("default", "x")
    world.pump.settle()
    assert len(world.pods()) == 4
    assert condition(objects.get(kinds.REPLICA_SET, "default", "x"), "ReplicaFailure") == {}


def test_a_replication_controller_does_the_same(world):
    world.make(workload(kinds.REPLICATION_CONTROLLER, replicas=2), "/api/v1/namespaces/default/replicationcontrollers")
    assert len(world.pods()) == 2
    world.make_ready()
    status = objects.get(kinds.REPLICATION_CONTROLLER, "default", "x")["status"]
    assert (status["readyReplicas"], "terminatingReplicas" in status) == (2, False)


# Deployments


def test_a_first_rollout(world):
    world.make(deployment(replicas=3))
    made = world.deployment()
    (only,) = world.replica_sets()
    digest = only["metadata"]["labels"]["pod-template-hash"]
    assert only["metadata"]["name"] == f"web-{digest}"
    assert only["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert all(one["metadata"]["labels"] == {"app": "web", "pod-template-hash": digest} for one in world.pods())
    assert made["metadata"]["annotations"][REVISION] == "1"
    assert condition(made, "Available")["status"] == "False"
    world.make_ready()
    made = world.deployment()
    assert condition(made, "Available")["status"] == "True"
    assert condition(made, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert made["status"]["availableReplicas"] == made["status"]["updatedReplicas"] == 3
    assert made["status"]["observedGeneration"] == made["metadata"]["generation"]
    assert [message for reason, message, _ in event_reasons("web") if reason == "ScalingReplicaSet"] == [
        f"Scaled up replica set web-{digest} from 0 to 3"
    ]


def test_a_rolling_update_keeps_its_bounds_and_its_history(world):
    world.make(deployment(replicas=4, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}))
    world.finish()
    world.set_image("app:2")
    seen = []
    for _ in range(40):
        ready = [one for one in world.pods() if one["status"].get("phase") == "Running"]
        seen.append((len(world.pods()), len(ready)))
        if not world.make_ready(at_most=1):
            break
    assert max(total for total, _ in seen) <= 5
    assert min(ready for _, ready in seen) >= 3
    assert world.images() == ["app:2"] * 4
    assert world.deployment()["metadata"]["annotations"][REVISION] == "2"
    assert [image_of(each["spec"]["template"]) for each in world.replica_sets()] == ["app:1", "app:2"]


def test_undo_is_the_old_replica_set_with_a_new_number(world):
    world.make(deployment(replicas=2))
    world.finish()
    world.set_image("app:2")
    world.finish()
    world.set_image("app:1")
    world.finish()
    assert world.images() == ["app:1"] * 2
    old, new = world.replica_sets()
    assert (image_of(old["spec"]["template"]), image_of(new["spec"]["template"])) == ("app:2", "app:1")
    assert new["metadata"]["annotations"][REVISION] == "3"
    assert new["metadata"]["annotations"][deployments.HISTORY] == "1"


def test_recreate_ends_the_old_before_the_new_begin(world):
    world.make(deployment(replicas=2, strategy={"type": "Recreate"}))
    world.finish()
    world.set_image("app:2")
    assert world.pods() == []
    assert len(world.pods(leaving=True)) == 2
    assert len(world.replica_sets()) == 1
    world.end_leaving()
    assert world.images() == ["app:2"] * 2


def test_pause_and_resume(world):
    world.make(deployment(replicas=2))
    world.finish()
    world.patch({"spec": {"paused": True}})
    world.set_image("app:2")
    assert world.sizes() == {"app:1": 2}
    assert condition(world.deployment(), "Progressing")["reason"] == "DeploymentPaused"
    world.patch({"spec": {"replicas": 3}})
    assert world.sizes() == {"app:1": 3}
    world.patch({"spec": {"paused": False}})
    world.finish()
    assert world.images() == ["app:2"] * 3


def test_scaling_in_the_middle_of_an_update(world):
    world.make(deployment(replicas=10, strategy={"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}))
    world.finish()
    world.set_image("app:2")
    assert world.sizes() == {"app:1": 8, "app:2": 5}
    world.patch({"spec": {"replicas": 15}})
    assert world.sizes() == {"app:1": 11, "app:2": 7}
    world.finish()
    assert world.images() == ["app:2"] * 15


def test_one_to_fifty_to_none_leaves_nothing(world):
    world.make(deployment(replicas=1))
    world.patch({"spec": {"replicas": 50}})
    world.finish()
    assert len(world.pods()) == 50
    world.patch({"spec": {"replicas": 0}})
    world.finish()
    assert objects.list_objects(kinds.POD).items == []


def test_history_beyond_its_limit_goes(world):
    world.make(deployment(replicas=1, revisionHistoryLimit=2))
    for number in range(2, 7):
        world.finish()
        world.set_image(f"app:{number}")
    world.finish()
    assert [image_of(each["spec"]["template"]) for each in world.replica_sets()] == ["app:4", "app:5", "app:6"]


def test_a_missed_deadline_is_said_and_ends_with_success(world, monkeypatch):
    world.make(deployment(replicas=1, progressDeadlineSeconds=10))
    (work,) = [work for work in world.pump.waits if work.arguments[0] == "deployment"]
    assert 0 < world.pump.waits[work].again_after <= 10
    later = meta.now() + timedelta(seconds=11)
    monkeypatch.setattr(meta, "now", lambda: later)
    registry.CONTROLLERS["deployment"].reconcile("default", "web")
    told = condition(world.deployment(), "Progressing")
    assert (told["status"], told["reason"]) == ("False", "ProgressDeadlineExceeded")
    world.finish()
    assert condition(world.deployment(), "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_min_ready_seconds_delays_availability(world, monkeypatch):
    world.make(deployment(replicas=1, minReadySeconds=30))
    world.make_ready()
    assert world.deployment()["status"]["readyReplicas"] == 1
    assert world.deployment()["status"]["availableReplicas"] == 0
    assert any(work.arguments[0] == "replicaset" for work in world.pump.waits)
    later = meta.now() + timedelta(seconds=31)
    monkeypatch.setattr(meta, "now", lambda: later)
    registry.CONTROLLERS["replicaset"].reconcile("default", world.replica_sets()[0]["metadata"]["name"])
    world.pump.settle()
    assert condition(world.deployment(), "Available")["status"] == "True"


def test_a_name_that_is_taken_counts_as_a_collision(world):
    wire = deployment()
    wire["metadata"]["namespace"] = "default"
    validation.default(kinds.DEPLOYMENT, wire)
    foreign = rs(replicas=0)
    foreign["metadata"]["name"] = f"web-{pods.template_hash(wire['spec']['template'])}"
    world.make(foreign, RS)
    world.make(deployment(replicas=1))
    assert world.deployment()["status"]["collisionCount"] == 1
    world.finish()
    assert world.images() == ["app:1"]


def test_orphaned_replica_sets_are_adopted_again(world):
    world.make(deployment(replicas=2))
    world.finish()
    uids = {one["metadata"]["uid"] for one in world.pods()}
    code, _ = world.api.delete(f"{ROOT}/deployments/web?propagationPolicy=Orphan")
    assert code == 200
    world.pump.settle()
    assert {one["metadata"]["uid"] for one in world.pods()} == uids
    world.make(deployment(replicas=2))
    assert {one["metadata"]["uid"] for one in world.pods()} == uids
    assert len(world.replica_sets()) == 1


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_deletion_takes_all_with_it(world, policy):
    world.make(deployment(replicas=2))
    world.finish()
    assert world.api.delete(f"{ROOT}/deployments/web?propagationPolicy={policy}")[0] == 200
    world.pump.settle()
    world.end_leaving()
    world.end_leaving()
    assert world.pods() == []
    assert world.replica_sets() == []
    assert world.api.get(f"{ROOT}/deployments/web")[0] == 404


# Going back by itself

AUTO = {"annotations": {"slipway.dev/auto-rollback": "true"}}


def crash(world, image, *, restarts=3):
    looping = {
        "name": "main",
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 7}},
    }
    for one in world.pods():
        if image_of(one) == image:
            world.set_status(one, {"phase": "Running", "containerStatuses": [looping]})
    world.pump.settle()


def test_a_crash_loop_goes_back_to_the_last_revision_that_worked(world):
    world.make(deployment(replicas=2, metadata=AUTO))
    world.finish()
    world.set_image("app:2")
    crash(world, "app:2", restarts=2)
    assert image_of(world.deployment()["spec"]["template"]) == "app:2", "it may still come right"
    crash(world, "app:2")
    world.finish()
    assert world.images() == ["app:1"] * 2
    told = condition(world.deployment(), "RolledBack")
    assert (told["status"], told["reason"]) == ("True", "AutoRollback")
    assert "keeps crashing, last with exit code 7): went back to revision 1" in told["message"]
    assert [reason for reason, *_ in event_reasons("web")].count("RolledBack") == 1
    # It moves on: the next template that is asked for is tried, and nothing speaks of the past any more.
    world.set_image("app:3")
    world.finish()
    assert world.images() == ["app:3"] * 2
    assert condition(world.deployment(), "RolledBack") == {}


def test_a_revision_that_was_ready_for_a_moment_and_crash_loops_is_left_and_never_taken_again(world, monkeypatch):
    world.make(deployment(replicas=1, metadata=AUTO))
    world.finish()
    world.set_image("app:2")
    world.finish()
    crash(world, "app:2")
    world.finish()
    assert world.images() == ["app:1"]
    crash(world, "app:1", restarts=9)
    assert image_of(world.deployment()["spec"]["template"]) == "app:1", "the other one is no better"
    world.finish()
    world.set_image("app:3")
    world.finish()
    later = meta.now() + timedelta(minutes=3)
    monkeypatch.setattr(meta, "now", lambda: later)
    crash(world, "app:3")
    assert image_of(world.deployment()["spec"]["template"]) == "app:3", "it has worked for a while"


def test_what_an_undo_copies_proves_nothing(world):
    """kubectl rollout undo gives the Deployment the annotations of the ReplicaSet."""
    world.make(deployment(replicas=1, metadata=AUTO))
    world.finish()
    proven = {"slipway.dev/proven": world.replica_sets()[0]["metadata"]["annotations"]["slipway.dev/proven"]}
    world.patch({"metadata": {"annotations": proven}})
    world.set_image("app:2")
    assert "slipway.dev/proven" not in world.replica_sets()[-1]["metadata"]["annotations"]


def test_a_missed_deadline_goes_back_and_what_once_worked_is_never_left(world, monkeypatch):
    world.make(deployment(replicas=1, progressDeadlineSeconds=10, metadata=AUTO))
    world.finish()
    world.set_image("app:2")
    later = meta.now() + timedelta(seconds=11)
    monkeypatch.setattr(meta, "now", lambda: later)
    registry.CONTROLLERS["deployment"].reconcile("default", "web")
    world.pump.settle()
    assert image_of(world.deployment()["spec"]["template"]) == "app:1"
    crash(world, "app:1", restarts=9)
    world.finish()
    assert image_of(world.deployment()["spec"]["template"]) == "app:1"


def test_a_first_revision_has_nowhere_to_go_back_to_and_who_has_not_asked_stays(world):
    world.make(deployment(replicas=1, metadata=AUTO))
    crash(world, "app:1")
    assert image_of(world.deployment()["spec"]["template"]) == "app:1"
    world.make(deployment("calm", replicas=1))
    world.finish()
    code, _ = world.api.patch(
        f"{ROOT}/deployments/calm", {"spec": {"template": {"metadata": {"labels": {"app": "calm", "v": "2"}}}}}
    )
    assert code == 200
    world.pump.settle()
    crash(world, "app:1", restarts=9)
    assert world.deployment("calm")["spec"]["template"]["metadata"]["labels"]["v"] == "2"
