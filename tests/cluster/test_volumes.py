"""Claims on the real thing: data that outlives its pod, the agent, `make down`, and goes with its claim."""

from __future__ import annotations

from pathlib import Path

import httpx
import yaml

from tests.cluster.instance import Instance, Wire, wait_for
from tests.cluster.pods import container, pod

CLAIM: Wire = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
}
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
SCRIPT = "echo started >> /data/starts; wc -l < /data/starts; exec sleep 3600"


def user(name: str, busybox: str, claim: str = "data", script: str = SCRIPT) -> Wire:
    mounted = {"volumeMounts": [{"name": "d", "mountPath": "/data"}]}
    volume = {"name": "d", "persistentVolumeClaim": {"claimName": claim}}
    return pod(name, container("c", busybox, script, **mounted), volumes=[volume])


def get(instance: Instance, path: str) -> Wire | None:
    answer = instance.api.get(path)
    return None if answer.status_code == httpx.codes.NOT_FOUND else dict(answer.raise_for_status().json())


def directory_of(instance: Instance, claim: str) -> Path:
    """Where the data of a claim is, once its volume says so."""

    def told() -> str | None:
        found = get(instance, f"{CLAIMS}/{claim}") or {}
        name = (found.get("spec") or {}).get("volumeName")
        volume = get(instance, f"/api/v1/persistentvolumes/{name}") if name else None
        annotations = ((volume or {}).get("metadata") or {}).get("annotations") or {}
        return str(annotations["slipway.dev/path"]) if "slipway.dev/path" in annotations else None

    return Path(wait_for(f"the directory of claim {claim}", told))


def test_data_outlives_the_pod_the_agent_and_an_end_of_the_instance(instance: Instance, busybox: str) -> None:
    assert instance.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(CLAIM)).returncode == 0
    instance.create(user("one", busybox))
    instance.wait_running("one")
    wait_for("start 1", lambda: instance.logs("one").split() == ["1"])
    assert (directory_of(instance, "data") / "starts").read_text() == "started\n"
    instance.delete_pod("one")
    instance.create(user("two", busybox))
    instance.wait_running("two")
    wait_for("start 2", lambda: instance.logs("two").split() == ["2"])
    listed = instance.kubectl("get", "pvc,pv,storageclass").stdout
    assert " RWO " in listed
    assert "local (default)" in listed
    wait_for("it is told", lambda: "ProvisioningSucceeded" in instance.kubectl("describe", "pvc", "data").stdout)
    assert "two" in instance.kubectl("describe", "pvc", "data").stdout
    assert "local.slipway.dev" in instance.kubectl("describe", "pv").stdout
    assert instance.down().returncode == 0
    instance.up()
    instance.wait_running("two")
    wait_for("it has started again on the same data", lambda: instance.logs("two").split() == ["3"])


def test_a_claim_goes_after_its_pod_and_its_data_with_it(instance: Instance, busybox: str) -> None:
    claim = {**CLAIM, "metadata": {"name": "short"}}
    assert instance.api.post(CLAIMS, json=claim).status_code == httpx.codes.CREATED
    instance.create(user("last", busybox, "short"))
    instance.wait_running("last")
    path = directory_of(instance, "short")
    assert path.is_dir()
    volume = (get(instance, f"{CLAIMS}/short") or {})["spec"]["volumeName"]
    instance.api.delete(f"{CLAIMS}/short")
    held = get(instance, f"{CLAIMS}/short")
    assert held is not None
    assert "deletionTimestamp" in held["metadata"]
    instance.delete_pod("last")
    wait_for("the claim is gone", lambda: get(instance, f"{CLAIMS}/short") is None)
    wait_for("the volume is gone", lambda: get(instance, f"/api/v1/persistentvolumes/{volume}") is None)
    assert not path.exists()


def test_lost_data_is_said_and_not_replaced(instance: Instance, busybox: str) -> None:
    claim = {**CLAIM, "metadata": {"name": "lost"}}
    assert instance.api.post(CLAIMS, json=claim).status_code == httpx.codes.CREATED
    instance.create(user("before", busybox, "lost"))
    instance.wait_running("before")
    path = directory_of(instance, "lost")
    instance.delete_pod("before")
    path.rename(path.with_suffix(".moved"))
    instance.create(user("after", busybox, "lost"))
    instance.wait_pod("after", "says what is lost", lambda one: "gone from the node" in str(one["status"]))
    path.with_suffix(".moved").rename(path)
    instance.wait_running("after")
    wait_for("start 2", lambda: instance.logs("after").split() == ["2"])
    instance.delete_pod("after")
