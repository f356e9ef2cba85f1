"""StatefulSets and DaemonSets as their users do it: kubectl against a real instance, real containers, real data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.instance import Instance, Wire, condition, wait_for

ROOT = "/apis/apps/v1/namespaces/default"
SCRIPT = "echo $HOSTNAME >> /data/names; cat /data/names; trap 'exit 0' TERM; sleep 3600 & wait"


def stateful_set(image: str, name: str = "db", replicas: int = 3) -> Wire:
    container = {
        "name": "c",
        "image": image,
        "command": ["sh", "-c", SCRIPT],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"},
        },
    }


def kubectl(instance: Instance, *words: str, stdin: str | None = None) -> str:
    done = instance.kubectl(*words, stdin=stdin)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def db(instance: Instance, busybox: str) -> Iterator[str]:
    kubectl(instance, "apply", "-f", "-", stdin=yaml.safe_dump(stateful_set(busybox)))
    kubectl(instance, "rollout", "status", "statefulset/db", "--timeout=150s")
    yield "db"
    kubectl(instance, "delete", "statefulset", "db", "--cascade=foreground", "--timeout=150s")
    wait_for("its claims went with it", lambda: "No resources" in instance.kubectl("get", "pvc", "-l", "app=db").stderr)


def test_a_deleted_pod_comes_back_with_its_name_and_its_data(instance: Instance, db: str) -> None:
    assert "3/3" in kubectl(instance, "get", "statefulset", db)
    wait_for("it has begun", lambda: instance.logs("db-1").split() == ["db-1"])
    before = instance.pod("db-1")
    assert before is not None
    kubectl(instance, "delete", "pod", "db-1")
    instance.wait_pod(
        "db-1",
        "is another one and ready",
        lambda pod: pod["metadata"]["uid"] != before["metadata"]["uid"] and condition(pod, "Ready") == "True",
    )
    wait_for("it goes on with its data", lambda: instance.logs("db-1").split() == ["db-1", "db-1"])
    wait_for("another has not begun again", lambda: instance.logs("db-2").split() == ["db-2"])


def test_it_is_scaled_and_its_claims_stay(instance: Instance, db: str) -> None:
    kubectl(instance, "scale", "statefulset/db", "--replicas=1")
    wait_for("one is left", lambda: instance.pod("db-1") is None and instance.pod("db-2") is None)
    assert len(kubectl(instance, "get", "pvc", "-l", "app=db", "-o", "name").split()) == 3
    kubectl(instance, "scale", "statefulset/db", "--replicas=3")
    kubectl(instance, "rollout", "status", "statefulset/db", "--timeout=150s")
    wait_for("the last one has its data again", lambda: instance.logs("db-2").split() == ["db-2", "db-2"])


def test_an_update_is_rolled_out_recorded_and_undone(instance: Instance, db: str) -> None:
    kubectl(instance, "set", "env", "statefulset/db", "COLOUR=blue")
    kubectl(instance, "rollout", "status", "statefulset/db", "--timeout=150s")
    assert kubectl(instance, "exec", "db-0", "--", "sh", "-c", "echo $COLOUR").strip() == "blue"
    history = kubectl(instance, "rollout", "history", "statefulset/db")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "COLOUR" in kubectl(instance, "rollout", "history", "statefulset/db", "--revision=2")
    kubectl(instance, "rollout", "undo", "statefulset/db")
    kubectl(instance, "rollout", "status", "statefulset/db", "--timeout=150s")
    assert kubectl(instance, "exec", "db-0", "--", "sh", "-c", "echo $COLOUR").strip() == ""
    wait_for("it is told", lambda: "SuccessfulDelete" in kubectl(instance, "describe", "statefulset", db))
    kubectl(instance, "rollout", "restart", "statefulset/db")
    kubectl(instance, "rollout", "status", "statefulset/db", "--timeout=150s")
    assert "controller-revision" not in kubectl(instance, "get", "controllerrevisions", "-l", "app=db", "-o", "name")


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"spec": {"serviceName": "other"}}, "spec.serviceName"),
        ({"spec": {"replicas": -1}}, "spec.replicas"),
        ({"spec": {"selector": {"matchLabels": {"app": "other"}}}}, "spec.selector"),
        ({"spec": {"podManagementPolicy": "Random"}}, "spec.podManagementPolicy"),
    ],
)
def test_what_may_not_be_is_refused_with_the_field(instance: Instance, db: str, patch: Wire, field: str) -> None:
    answer = instance.api.patch(
        f"{ROOT}/statefulsets/{db}", json=patch, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert answer.status_code == 422
    assert field in [cause["field"] for cause in answer.json()["details"]["causes"]]


def test_a_daemon_set_has_its_pod_and_rolls(instance: Instance, busybox: str) -> None:
    container = {"name": "c", "image": busybox, "command": ["sleep", "3600"]}
    wire = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "log"},
        "spec": {
            "selector": {"matchLabels": {"app": "log"}},
            "template": {
                "metadata": {"labels": {"app": "log"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }
    kubectl(instance, "apply", "-f", "-", stdin=yaml.safe_dump(wire))
    kubectl(instance, "rollout", "status", "daemonset/log", "--timeout=150s")
    kubectl(instance, "set", "env", "daemonset/log", "COLOUR=blue")
    kubectl(instance, "rollout", "status", "daemonset/log", "--timeout=150s")
    assert kubectl(instance, "get", "daemonset", "log", "--no-headers").split()[1:6] == ["1"] * 5
    kubectl(instance, "rollout", "undo", "daemonset/log")
    kubectl(instance, "rollout", "status", "daemonset/log", "--timeout=150s")
    history = kubectl(instance, "rollout", "history", "daemonset/log")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["2", "3"]
    assert "SuccessfulCreate" in kubectl(instance, "describe", "daemonset", "log")
    kubectl(instance, "delete", "daemonset", "log", "--cascade=foreground", "--timeout=150s")
