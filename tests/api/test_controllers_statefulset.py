"""StatefulSets through commits, controllers and scheduler, with agents that do what they should."""

import pytest

from controlplane.controllers.registry import CONTROLLERS
from controlplane.store import objects
from schema import kinds
from schema.meta import DeleteOptions
from tests.api import cluster_objects as make
from tests.api.pump import pumping
from tests.api.workloads import Agents, images, pods, present, set_ready, template, update, workload

pytestmark = pytest.mark.django_db(transaction=True)

SET, CLAIM = kinds.STATEFUL_SET, kinds.PERSISTENT_VOLUME_CLAIM


@pytest.fixture
def agents():
    for name in ("a", "b", "c"):
        make.node(name, labels={"kubernetes.io/hostname": name})
    with pumping() as pump:
        yield Agents(pump)


def claim_template(name="data"):
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return {"metadata": {"name": name}, "spec": spec}


def status():
    return present(SET, "web")["status"]


def claims():
    return sorted(one["metadata"]["name"] for one in objects.list_objects(CLAIM, namespace="default").items)


def revisions():
    found = objects.list_objects(kinds.CONTROLLER_REVISION, namespace="default").items
    return sorted((one["revision"], one["metadata"]["name"]) for one in found)


def delete(name, **options):
    objects.delete(kinds.POD, "default", name, options=DeleteOptions(**options))


def test_pods_come_one_after_another_and_keep_their_names(agents):
    workload(SET, replicas=3, serviceName="db")
    agents.pump.settle()
    assert list(pods()) == ["web-0"]
    waiting = make.condition(present(SET, "web"), "Reconciling")
    assert (waiting["status"], waiting["message"]) == ("True", "pod web-0 is not available yet")
    agents.settle()
    assert sorted(pods()) == ["web-0", "web-1", "web-2"]
    first = pods()["web-1"]
    assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("web-1", "db")
    labels = first["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "web-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["controller-revision-hash"] == status()["updateRevision"] == status()["currentRevision"]
    for field in ("replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"):
        assert status()[field] == 3
    assert status()["observedGeneration"] == present(SET, "web")["metadata"]["generation"]
    assert make.condition(present(SET, "web"), "Reconciling")["status"] == "False"
    before = objects.current_revision()
    CONTROLLERS["statefulset"].reconcile("default", "web")
    assert objects.current_revision() == before


def test_parallel_comes_and_goes_at_once(agents):
    workload(SET, replicas=3, podManagementPolicy="Parallel", ordinals={"start": 4})
    agents.pump.settle()
    assert sorted(pods()) == ["web-4", "web-5", "web-6"]
    agents.settle()
    update(SET, replicas=1)
    agents.pump.settle()
    assert [name for name, pod in pods().items() if "deletionTimestamp" in pod["metadata"]] == ["web-5", "web-6"]


def test_it_shrinks_from_the_highest_one_at_a_time(agents):
    workload(SET, replicas=3)
    agents.settle()
    update(SET, replicas=1)
    agents.settle()
    assert list(pods()) == ["web-0"]
    assert agents.most_ending == 1


def test_a_pod_that_is_deleted_comes_back_with_its_data(agents):
    workload(SET, replicas=2, volumeClaimTemplates=[claim_template()])
    agents.settle()
    assert claims() == ["data-web-0", "data-web-1"]
    volume, node = present(CLAIM, "data-web-1")["spec"]["volumeName"], pods()["web-1"]["spec"]["nodeName"]
    before = pods()["web-1"]["metadata"]["uid"]
    delete("web-1")
    agents.settle()
    after = pods()["web-1"]
    assert after["metadata"]["uid"] != before
    assert after["spec"]["nodeName"] == node
    assert after["spec"]["volumes"][0] == {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
    assert present(CLAIM, "data-web-1")["spec"]["volumeName"] == volume


def test_an_ordinal_on_a_node_that_does_not_answer_waits_and_says_so(agents):
    workload(SET, replicas=2)
    agents.settle()
    node = pods()["web-1"]["spec"]["nodeName"]
    agents.silent.add(node)
    unknown = [{"type": "Ready", "status": "Unknown"}]
    objects.mutate(
        kinds.NODE,
        "",
        node,
        lambda one: {**one, "status": {**one["status"], "conditions": unknown}},
        subresource="status",
    )
    delete("web-1")
    agents.settle()
    assert "deletionTimestamp" in pods()["web-1"]["metadata"]
    assert "does not answer" in make.condition(present(SET, "web"), "Reconciling")["message"]
    delete("web-1", grace_period_seconds=0)  # by force
    agents.settle()
    assert pods()["web-1"]["spec"]["nodeName"] != node


def test_an_update_goes_from_the_highest_down_and_stops_at_what_is_broken(agents):
    workload(SET, replicas=3)
    agents.settle()
    agents.broken.add("busybox:bad")
    update(SET, template=template("busybox:bad"))
    agents.settle()
    assert images() == {"web-0": "busybox:1", "web-1": "busybox:1", "web-2": "busybox:bad"}
    assert status()["updatedReplicas"] == 1
    update(SET, template=template("busybox:1"))
    agents.settle()
    assert set(images().values()) == {"busybox:1"}
    assert status()["currentRevision"] == status()["updateRevision"]


def test_a_partition_is_a_canary(agents):
    workload(SET, replicas=3)
    agents.settle()
    old = status()["currentRevision"]
    update(
        SET, template=template("busybox:2"), updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    )
    agents.settle()
    assert images() == {"web-0": "busybox:1", "web-1": "busybox:1", "web-2": "busybox:2"}
    assert status()["currentRevision"] == old != status()["updateRevision"]
    delete("web-0")
    agents.settle()
    assert images()["web-0"] == "busybox:1"
    update(SET, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    agents.settle()
    assert set(images().values()) == {"busybox:2"}
    assert agents.most_ending == 1


def test_on_delete_waits_for_somebody(agents):
    workload(SET, replicas=2, updateStrategy={"type": "OnDelete"})
    agents.settle()
    update(SET, template=template("busybox:2"))
    agents.settle()
    assert set(images().values()) == {"busybox:1"}
    delete("web-0")
    agents.settle()
    assert images() == {"web-0": "busybox:2", "web-1": "busybox:1"}


def test_revisions_are_kept_up_to_the_limit_and_gone_back_to(agents):
    workload(SET, replicas=1, revisionHistoryLimit=2)
    agents.settle()
    (first,) = revisions()
    for number in (2, 3, 4, 5):
        update(SET, template=template(f"busybox:{number}"))
        agents.settle()
    assert [number for number, _ in revisions()] == [3, 4, 5]
    target = revisions()[1][1]
    patch = present(kinds.CONTROLLER_REVISION, target)["data"]["spec"]["template"]
    assert patch["$patch"] == "replace"
    update(SET, template={key: value for key, value in patch.items() if key != "$patch"})
    agents.settle()
    assert images() == {"web-0": "busybox:4"}
    assert revisions()[-1] == (6, target)
    assert first[1] not in [name for _, name in revisions()]


def test_claims_stay_unless_the_policy_says_otherwise(agents):
    workload(SET, replicas=2, volumeClaimTemplates=[claim_template()])
    agents.settle()
    update(SET, replicas=1)
    agents.settle()
    assert claims() == ["data-web-0", "data-web-1"]
    update(SET, replicas=2)
    agents.settle()
    update(SET, persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete", "whenDeleted": "Delete"})
    agents.settle()
    update(SET, replicas=1)
    agents.settle()
    assert claims() == ["data-web-0"]
    objects.delete(SET, "default", "web")
    agents.settle()
    assert not pods()
    assert claims() == []
    assert not objects.list_objects(kinds.PERSISTENT_VOLUME).items


def test_pods_left_by_an_orphaning_deletion_are_adopted_again(agents):
    workload(SET, replicas=2)
    agents.settle()
    before = {name: pod["metadata"]["uid"] for name, pod in pods().items()}
    objects.delete(SET, "default", "web", options=DeleteOptions(propagation_policy="Orphan"))
    agents.settle()
    assert not any(pod["metadata"].get("ownerReferences") for pod in pods().values())
    history = revisions()
    made = workload(SET, replicas=2)
    agents.settle()
    assert {name: pod["metadata"]["uid"] for name, pod in pods().items()} == before
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods().values()} == {made["metadata"]["uid"]}
    assert revisions() == history
    assert status()["updatedReplicas"] == 2
    update(SET, replicas=1, template=template("busybox:2"))
    agents.settle()
    assert images() == {"web-0": "busybox:2"}
    assert [number for number, _ in revisions()] == [1, 2]


def test_a_pod_whose_label_is_taken_off_is_let_go_and_blocks_its_name(agents):
    workload(SET, replicas=1)
    agents.settle()
    objects.mutate(
        kinds.POD, "default", "web-0", lambda pod: {**pod, "metadata": {**pod["metadata"], "labels": {"app": "other"}}}
    )
    agents.pump.settle()
    assert not pods()["web-0"]["metadata"].get("ownerReferences")


def test_what_has_ended_is_made_anew(agents):
    workload(SET, replicas=1)
    agents.settle()
    before = pods()["web-0"]["metadata"]["uid"]
    set_ready("web-0", "False", phase="Failed")
    agents.settle()
    assert pods()["web-0"]["metadata"]["uid"] != before


def test_min_ready_seconds_hold_up_the_next(agents):
    workload(SET, replicas=2, minReadySeconds=3600)
    agents.settle()
    assert list(pods()) == ["web-0"]
    assert (status()["readyReplicas"], status()["availableReplicas"]) == (1, 0)
    (waiting,) = [verdict for work, verdict in agents.pump.waits.items() if work.arguments[0] == "statefulset"]
    assert 0 < waiting.again_after <= 15
