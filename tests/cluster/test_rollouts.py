"""Deployments on real containers, by the real kubectl: roll out, go back, scale, and a worker that is killed meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cluster import killing, remains
from tests.cluster.instance import Instance, wait_for

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
Wire = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
PATH = "/apis/apps/v1/namespaces/default"


def manifest(name: str, image: str, replicas: int, **spec: Any) -> str:
    httpd = {"name": "httpd", "image": image, "command": ["httpd", "-f", "-p", "8080", "-h", "/etc"]}
    return yaml.safe_dump(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": {
                    "metadata": {"labels": {"app": name}},
                    "spec": {"terminationGracePeriodSeconds": 0, "containers": [httpd]},
                },
                **spec,
            },
        }
    )


class Tool:
    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def __call__(self, *words: str, given: str | None = None, patience: float = 180) -> str:
        done = self.instance.kubectl(*words, stdin=given, timeout=patience)
        assert done.returncode == 0, f"kubectl {words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def pods(self, name: str) -> list[Wire]:
        found: list[Wire] = self.instance.api.get(PODS, params={"labelSelector": f"app={name}"}).json()["items"]
        return found

    def replica_sets(self, name: str) -> list[Wire]:
        query = {"labelSelector": f"app={name}"}
        found: list[Wire] = self.instance.api.get(f"{PATH}/replicasets", params=query).json()["items"]
        return found

    def wait_gone(self, name: str) -> None:
        wait_for(f"the pods of {name} gone", lambda: not self.pods(name))


@pytest.fixture
def kubectl(instance: Instance) -> Iterator[Tool]:
    tool = Tool(instance)
    yield tool
    instance.api.delete(f"{PATH}/deployments")
    for name in ("web", "ladder", "whole"):
        tool.wait_gone(name)


def test_what_users_do_with_a_deployment(kubectl: Tool, busybox: str) -> None:
    kubectl("apply", "-f", "-", given=manifest("web", busybox, 2))
    assert "successfully rolled out" in kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    ready, current, available = kubectl("get", "deploy", "web", "--no-headers").split()[1:4]
    assert (ready, current, available) == ("2/2", "2", "2")
    kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=second")
    kubectl("set", "env", "deploy/web", "COLOUR=blue")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    kubectl("set", "resources", "deploy/web", "--limits=memory=32Mi")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    history = kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2", "3"]
    assert "COLOUR" in kubectl("rollout", "history", "deploy/web", "--revision=2")
    assert "rolled back" in kubectl("rollout", "undo", "deploy/web", "--to-revision=1")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    (container,) = kubectl.instance.api.get(f"{PATH}/deployments/web").json()["spec"]["template"]["spec"]["containers"]
    assert "env" not in container
    assert not container["resources"]

    kubectl("rollout", "pause", "deploy/web")
    kubectl("set", "env", "deploy/web", "COLOUR=red")
    assert len(kubectl.replica_sets("web")) == 3
    kubectl("rollout", "resume", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    before = {pod["metadata"]["uid"] for pod in kubectl.pods("web")}
    kubectl("rollout", "restart", "deploy/web")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    wait_for("all pods are new", lambda: not before & {pod["metadata"]["uid"] for pod in kubectl.pods("web")})
    described = kubectl("describe", "deploy", "web")
    assert "NewReplicaSetAvailable" in described
    assert "Scaled up replica set" in described
    kubectl("scale", "deploy/web", "--replicas=1", "--current-replicas=2")
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    kubectl("delete", "deploy", "web", "--cascade=foreground", "--timeout=150s")
    assert kubectl.replica_sets("web") == []
    assert kubectl.pods("web") == []


def test_undo_brings_image_configuration_and_limits_back_together(kubectl: Tool, busybox: str) -> None:
    wire = yaml.safe_load(manifest("whole", busybox, 2))
    wire["metadata"]["annotations"] = {"slipway.dev/rollout-on-config-change": "true"}
    spec = wire["spec"]["template"]["spec"]
    spec["containers"][0]["envFrom"] = [{"configMapRef": {"name": "whole"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "key", "mountPath": "/key"}]
    spec["volumes"] = [{"name": "key", "secret": {"secretName": "whole"}}]
    kubectl("create", "configmap", "whole", "--from-literal=COLOUR=red")
    kubectl("create", "secret", "generic", "whole", "--from-literal=key=first")
    kubectl("apply", "-f", "-", given=yaml.safe_dump(wire))
    kubectl("rollout", "status", "deploy/whole", "--timeout=150s")
    assert sight(kubectl) == "red first cpu=None"
    kubectl("patch", "configmap", "whole", "-p", '{"data": {"COLOUR": "blue"}}')
    kubectl("patch", "secret", "whole", "-p", '{"stringData": {"key": "second"}}')
    kubectl("set", "resources", "deploy/whole", "--limits=cpu=500m")
    wait_for("all is new", lambda: sight(kubectl) == "blue second cpu=500m")
    assert "ConfigMap whole changed: key COLOUR" in kubectl("describe", "deploy", "whole")
    kubectl("rollout", "undo", "deploy/whole", "--to-revision=1")
    wait_for("all is old", lambda: sight(kubectl) == "red first cpu=None")
    kubectl("rollout", "restart", "deploy/whole")
    kubectl("rollout", "status", "deploy/whole", "--timeout=150s")
    assert sight(kubectl) == "red first cpu=None"
    kubectl("delete", "deploy,configmap,secret", "whole")
    left = "configmap,secret"
    wait_for("the copies gone", lambda: "whole" not in kubectl("get", left, "--ignore-not-found"))


def sight(kubectl: Tool) -> str:
    """What the pods that stay see, if all see the same."""
    seen = set()
    for pod in kubectl.pods("whole"):
        if pod["status"].get("phase") != "Running" or "deletionTimestamp" in pod["metadata"]:
            return ""
        command = ("exec", pod["metadata"]["name"], "--", "sh", "-c", "echo $COLOUR $(cat /key/key)")
        done = kubectl.instance.kubectl(*command)
        limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
        seen.add(f"{done.stdout.strip()} cpu={limits.get('cpu')}")
    return seen.pop() if len(seen) == 1 else ""


def test_create_deployment_and_orphan(kubectl: Tool, busybox: str) -> None:
    ends = ("sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait")  # its grace period is Kubernetes' default
    kubectl("create", "deployment", "web", f"--image={busybox}", "--replicas=1", "--", *ends)
    kubectl("rollout", "status", "deploy/web", "--timeout=150s")
    (kept,) = kubectl.pods("web")
    kubectl("delete", "deploy", "web", "--cascade=orphan")
    (orphan,) = kubectl.replica_sets("web")
    assert not wait_for("the orphan is free", lambda: _freed(kubectl)).get("ownerReferences")
    assert [pod["metadata"]["uid"] for pod in kubectl.pods("web")] == [kept["metadata"]["uid"]]
    kubectl("delete", "rs", orphan["metadata"]["name"], "--cascade=background")
    kubectl.wait_gone("web")


def _freed(kubectl: Tool) -> Wire | None:
    (orphan,) = kubectl.replica_sets("web")
    return None if orphan["metadata"].get("ownerReferences") else dict(orphan["metadata"])


def test_a_worker_that_is_killed_again_and_again_loses_nothing(instance: Instance, busybox: str) -> None:
    """For a minute, and with the other processes: benchmarks/kill_rollout.py."""
    assert killing.run(instance, busybox, "worker", 6.0)["kills"] > 0


def test_one_to_fifty_to_none_leaves_nothing(kubectl: Tool, busybox: str) -> None:
    before = remains.of(kubectl.instance)
    kubectl("apply", "-f", "-", given=manifest("ladder", busybox, 1))
    kubectl("expose", "deployment", "ladder", "--port=8080")
    kubectl("rollout", "status", "deploy/ladder", "--timeout=150s")
    kubectl("scale", "deploy/ladder", "--replicas=50")
    kubectl("rollout", "status", "deploy/ladder", "--timeout=170s")
    for sort in ("directory", "address", "cgroup", "process", "interface", "mount", "rule"):
        new = [each for each in remains.of(kubectl.instance) - before if each.startswith(sort)]
        assert len(new) >= 50 or (sort == "rule" and new), f"it is seen that there are pods: {sort}"
    kubectl("scale", "deploy/ladder", "--replicas=0")
    kubectl.wait_gone("ladder")
    wait_for("nothing is left on the host", lambda: not remains.of(kubectl.instance) - before)
    kubectl("delete", "deploy,service", "ladder")
    wait_for("no ReplicaSet is left", lambda: not kubectl.replica_sets("ladder"))
