"""What an agent is told: all that it must know, newest state only, nothing twice."""

from __future__ import annotations

from controlplane.nodes.desired import Desired, Ref
from schema.session import Update

CM = Ref("ConfigMap", "default", "settings")
SECRET = Ref("Secret", "default", "key")


def _pod(uid="u1", *, revision=1, generation=1, maps=(), secrets=(), node="n1", **metadata):
    env = [{"configMapRef": {"name": name}} for name in maps] + [{"secretRef": {"name": name}} for name in secrets]
    return {
        "metadata": {
            "uid": uid, "namespace": "default", "name": uid, "generation": generation,
            "resourceVersion": str(revision), **metadata,
        },
        "spec": {"nodeName": node, "containers": [{"name": "c", "envFrom": env}]},
        "status": {},
    }  # fmt: skip


def _object(ref, revision, **data):
    metadata = {"namespace": ref.namespace, "name": ref.name, "resourceVersion": str(revision)}
    return {"metadata": metadata, "data": data}


def taken(desired: Desired) -> Update:
    update = desired.take()
    assert update is not None
    return update


def _started(*pods, revision=10) -> Desired:
    desired = Desired("n1")
    desired.load(pods, revision)
    for ref in desired.missing:
        desired.found(ref, None)
    desired.sync(list(pods))
    return desired


def test_sync_holds_what_the_pods_refer_to():
    desired = Desired("n1")
    interest = desired.load([_pod(maps=["settings"], secrets=["key"])], 10)
    assert interest.begun == {CM, SECRET}
    assert set(desired.missing) == {CM, SECRET}
    desired.found(CM, _object(CM, 3))
    desired.found(SECRET, None)
    sync = desired.sync([_pod()])
    assert [wire["metadata"]["name"] for wire in sync.config_maps] == ["settings"]
    assert sync.secrets == []
    assert desired.take() is None


def test_a_change_of_status_alone_is_not_echoed():
    desired = _started(_pod())
    changed = _pod(revision=11)
    changed["status"] = {"phase": "Running"}
    desired.pod_changed(changed, 11)
    assert desired.take() is None


def test_a_readiness_gate_is_told():
    gated = _pod()
    gated["spec"]["readinessGates"] = [{"conditionType": "example.com/ready"}]
    desired = _started(gated)
    changed = {**gated, "status": {"conditions": [{"type": "example.com/ready", "status": "True"}]}}
    desired.pod_changed(changed, 11)
    update = desired.take()
    assert update is not None
    assert update.pods == [changed]


def test_a_pod_failed_by_somebody_else_is_told():
    desired = _started(_pod())
    changed = _pod(revision=11)
    changed["status"] = {"phase": "Failed"}
    desired.pod_changed(changed, 11)
    update = desired.take()
    assert update is not None
    assert update.pods == [changed]


def test_deletion_and_labels_are_told():
    desired = _started(_pod())
    desired.pod_changed(_pod(revision=11, labels={"a": "b"}), 11)
    assert desired.take() is not None
    desired.pod_changed(_pod(revision=12, labels={"a": "b"}, deletionTimestamp="2026-01-01T00:00:00Z"), 12)
    assert desired.take() is not None


def test_only_the_newest_state_waits():
    desired = _started(_pod())
    for revision in range(11, 1000):
        desired.pod_changed(_pod(revision=revision, generation=revision), revision)
    update = desired.take()
    assert update is not None
    assert [pod["metadata"]["resourceVersion"] for pod in update.pods] == ["999"]
    assert update.revision == 999


def test_a_pod_that_came_and_went_is_only_removed():
    desired = _started()
    desired.pod_changed(_pod(revision=11), 11)
    desired.pod_removed("u1", 12)
    update = desired.take()
    assert update is not None
    assert (update.pods, update.removed_pods) == ([], ["u1"])


def test_changes_that_the_snapshot_holds_are_not_replayed():
    desired = _started(revision=20)
    desired.pod_changed(_pod("ghost", revision=15), 15)
    assert desired.take() is None


def test_a_pod_of_another_node_is_not_told():
    desired = _started()
    assert desired.pod_changed(_pod(node="n2", revision=11), 11) is None
    assert desired.take() is None


def test_a_missing_object_that_appears_is_told():
    desired = _started(_pod(maps=["settings"]))
    desired.object_changed(CM, _object(CM, 11), 11)
    update = desired.take()
    assert update is not None
    assert len(update.config_maps) == 1


def test_an_older_change_does_not_undo_a_newer_look_up():
    desired = Desired("n1")
    desired.load([_pod(maps=["settings"])], 10)
    desired.found(CM, _object(CM, 30, v="new"))
    desired.sync([])
    desired.object_changed(CM, _object(CM, 20, v="old"), 20)
    desired.object_changed(CM, None, 25)
    assert desired.take() is None
    desired.object_changed(CM, None, 31)
    update = desired.take()
    assert update is not None
    assert [key.name for key in update.removed_config_maps] == ["settings"]


def test_an_older_look_up_does_not_undo_a_newer_change():
    desired = Desired("n1")
    desired.load([_pod(maps=["settings"])], 10)
    desired.object_changed(CM, _object(CM, 30, v="new"), 30)
    desired.found(CM, _object(CM, 20, v="old"))
    assert desired.sync([]).config_maps[0]["data"] == {"v": "new"}


def test_an_object_nobody_uses_is_not_told():
    desired = _started(_pod())
    desired.object_changed(SECRET, _object(SECRET, 11), 11)
    assert desired.take() is None


def test_a_secret_leaves_the_node_with_its_last_pod():
    desired = _started(_pod("u1", secrets=["key"]), _pod("u2", secrets=["key"]))
    first, last = desired.pod_removed("u1", 11), desired.pod_removed("u2", 12)
    assert first is not None
    assert last is not None
    assert not first.ceased
    assert last.ceased == {SECRET}
    update = desired.take()
    assert update is not None
    assert [key.name for key in update.removed_secrets] == ["key"]
    desired.object_changed(SECRET, _object(SECRET, 13), 13)
    assert desired.take() is None


def test_a_secret_used_again_is_looked_up_again():
    desired = _started(_pod("u1", secrets=["key"]))
    desired.pod_removed("u1", 11)
    desired.pod_changed(_pod("u2", secrets=["key"], revision=12), 12)
    assert desired.missing == [SECRET]
    desired.found(SECRET, _object(SECRET, 9))
    update = desired.take()
    assert update is not None
    assert (len(update.secrets), update.removed_secrets) == (1, [])


VOLUME = Ref("PersistentVolume", "default", "data")


def _user(uid="u1"):
    pod = _pod(uid)
    pod["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    return pod


def _volume(revision):
    claim = {"namespace": "default", "name": "data", "uid": "c"}
    metadata = {"name": "pvc-1", "uid": "v", "resourceVersion": str(revision)}
    return {"metadata": metadata, "spec": {"claimRef": claim}}


def test_a_pod_brings_the_volumes_of_its_claims():
    desired = Desired("n1")
    assert desired.load([_user()], 10).begun == {VOLUME}
    desired.found(VOLUME, _volume(5))
    assert desired.sync([_user()]).volumes == [_volume(5)]
    desired.object_changed(VOLUME, _volume(12), 12)
    assert taken(desired).volumes == [_volume(12)]
    desired.pod_removed("u1", 13)
    (gone,) = taken(desired).removed_volumes
    assert (gone.namespace, gone.name) == ("default", "data")


def test_a_volume_that_is_bound_while_its_pod_waits_is_told():
    desired = _started(_user())
    desired.object_changed(VOLUME, _volume(12), 12)
    assert taken(desired).volumes == [_volume(12)]


def test_a_volume_is_to_be_removed_until_the_agent_has_been_told():
    desired = _started()
    desired.volume_to_remove(_volume(11))
    desired.volume_to_remove(_volume(12))
    (removal,) = taken(desired).volume_removals
    assert (removal.name, removal.uid, removal.namespace, removal.claim) == ("pvc-1", "v", "default", "data")
    assert desired.take() is None
