"""The real kubectl against the web process: whichever versions this machine has.

``KUBECTL`` may name binaries (separated by ``:``); else those on the PATH are used. Where none is, these tests are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.instance import Instance, wait_for

DEADLINE_SECONDS = 90


def binaries() -> list[str]:
    named = [path for path in os.environ.get("KUBECTL", "").split(":") if path]
    found = shutil.which("kubectl")
    return named or ([found] if found else [])


pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not binaries(), reason="kubectl is not installed: put it on the PATH or name it in KUBECTL"),
]


@dataclass
class Kubectl:
    binary: str
    instance: Instance
    namespace: str
    cache: Path

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.binary, f"--namespace={self.namespace}", f"--cache-dir={self.cache}", *arguments],
            env={**os.environ, "KUBECONFIG": str(self.instance.kubeconfig), "HOME": str(self.cache), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, given: str = "", fails: bool = False, **environment: str) -> str:
        """Standard output; with ``fails``, standard error of a command that must fail."""
        with self.start(*arguments, **environment) as process:
            try:
                output, error = process.communicate(given, timeout=DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert (process.returncode != 0) == fails, f"kubectl {arguments}: {output}{error}"
        return error if fails else output + error

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "-o", "json"))

    def make(self, manifest: str) -> None:
        self.run("create", "-f", "-", given=manifest)


@pytest.fixture(params=binaries() or ["none"], ids=lambda path: re.sub(r"\W+", "-", str(path)).strip("-"))
def kubectl(request: pytest.FixtureRequest, served: Instance, tmp_path: Path) -> Iterator[Kubectl]:
    name = f"t{next(tempfile._get_candidate_names())}".lower().replace("_", "-").rstrip("-")  # type: ignore[attr-defined]
    found = Kubectl(request.param, served, name, tmp_path)
    found.make(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
    yield found
    found.run("delete", "namespace", name, "--wait=false")


POD = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: main, image: "registry.example.com/app:1", env: [{name: A, value: "1"}]}
"""
SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {a: "1", b: "2"}
"""


def test_version_and_resources(kubectl: Kubectl):
    assert "v1.37.0+slipway" in kubectl.run("version")
    resources = kubectl.run("api-resources")
    assert re.search(r"^pods\s+po\s+v1\s+true\s+Pod$", resources, re.MULTILINE)
    assert re.search(r"^leases\s+coordination.k8s.io/v1\s+true\s+Lease$", resources, re.MULTILINE)
    assert "coordination.k8s.io/v1" in kubectl.run("api-versions")


def test_get_in_every_form(kubectl: Kubectl):
    kubectl.make(POD)
    assert re.search(r"^NAME +READY +STATUS +RESTARTS +AGE\nweb +0/1 +Pending +0 ", kubectl.run("get", "pods"))
    assert "NOMINATED NODE" in kubectl.run("get", "pods", "-o", "wide")
    assert kubectl.run("get", "pods", "-o", "name") == "pod/web\n"
    assert kubectl.json("get", "pod", "web")["metadata"]["name"] == "web"
    assert "kind: Pod" in kubectl.run("get", "pod", "web", "-o", "yaml")
    assert (
        kubectl.run("get", "pod", "web", "-o", "jsonpath={.spec.containers[0].image}") == "registry.example.com/app:1"
    )
    assert "web" in kubectl.run("get", "pods", "-o", "custom-columns=N:.metadata.name")
    assert re.search(rf"^{kubectl.namespace} +web ", kubectl.run("get", "pods", "-A"), re.MULTILINE)
    assert "app=web" in kubectl.run("get", "pods", "--show-labels")
    assert "web" in kubectl.run("get", "pods", "-l", "app=web", "-L", "app")
    assert "No resources found" in kubectl.run("get", "pods", "-l", "app!=web")
    assert "web" in kubectl.run("get", "pods", "--sort-by", ".metadata.name")
    assert "web" in kubectl.run("get", "pods", "--field-selector", "status.phase=Pending")
    assert "web" in kubectl.run("get", "all")
    assert 'pods "none" not found' in kubectl.run("get", "pod", "none", fails=True)


def test_describe(kubectl: Kubectl):
    kubectl.make(POD)
    text = kubectl.run("describe", "pod", "web")
    assert "Service Account:  default" in text
    assert re.search(r"Events: +<none>", text)
    assert "Active" in kubectl.run("describe", "namespace", kubectl.namespace)


def test_why_a_pod_does_not_run(kubectl: Kubectl):
    kubectl.make(POD.replace("spec:\n", "spec:\n  nodeSelector: {example.com/nowhere: here}\n"))
    path = f"/apis/slipway.dev/v1/namespaces/{kubectl.namespace}/pods/web/why"
    told = json.loads(kubectl.run("get", "--raw", path))
    assert (told["of"], told["status"]["state"]) == ("Pod", "Pending")
    assert (
        "remove the selector example.com/nowhere=here" in told["status"]["suggestion"]
        or not told["status"]["placement"]["nodes"]
    )
    assert "not found" in kubectl.run("get", "--raw", path.replace("web", "none"), fails=True)


def test_apply_creates_then_leaves_then_changes_then_removes(kubectl: Kubectl):
    assert kubectl.run("apply", "-f", "-", given=SETTINGS) == "configmap/settings created\n"
    assert kubectl.run("apply", "-f", "-", given=SETTINGS) == "configmap/settings unchanged\n"
    changed = SETTINGS.replace('b: "2"', 'c: "3"')
    assert kubectl.run("apply", "-f", "-", given=changed) == "configmap/settings configured\n"
    assert kubectl.json("get", "configmap", "settings")["data"] == {"a": "1", "c": "3"}
    assert kubectl.run("apply", "-f", "-", given=POD) == "pod/web created\n"
    image = POD.replace("app:1", "app:2")
    assert kubectl.run("apply", "-f", "-", given=image) == "pod/web configured\n"
    assert kubectl.json("get", "pod", "web")["spec"]["containers"][0]["image"].endswith("app:2")


def test_apply_removes_an_element_of_a_list(kubectl: Kubectl):
    """A pod's environment is fixed: the refusal shows that the element was removed, and not the list sent whole."""
    more = POD.replace('{name: A, value: "1"}', '{name: A, value: "1"}, {name: B, value: "2"}')
    kubectl.run("apply", "-f", "-", given=more)
    assert "pod updates may not change fields" in kubectl.run("apply", "-f", "-", given=POD, fails=True)
    account = (
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\nimagePullSecrets: [{name: a}, {name: b}]\n"
    )
    kubectl.run("apply", "-f", "-", given=account)
    kubectl.run("apply", "-f", "-", given=account.replace(", {name: b}", ""))
    assert kubectl.json("get", "serviceaccount", "robot")["imagePullSecrets"] == [{"name": "a"}]


def test_apply_tells_of_unknown_fields(kubectl: Kubectl):
    wrong = SETTINGS + "colour: red\n"
    assert 'unknown field "colour"' in kubectl.run("apply", "-f", "-", given=wrong, fails=True)
    assert 'Warning: unknown field "colour"' in kubectl.run("apply", "--validate=warn", "-f", "-", given=wrong)


def test_create_replace_and_diff(kubectl: Kubectl):
    kubectl.make(SETTINGS)
    assert "AlreadyExists" in kubectl.run("create", "-f", "-", given=SETTINGS, fails=True)
    assert "replaced" in kubectl.run("replace", "-f", "-", given=SETTINGS.replace('"2"', '"3"'))
    assert kubectl.json("get", "configmap", "settings")["data"]["b"] == "3"
    assert "replaced" in kubectl.run("replace", "--force", "-f", "-", given=SETTINGS)
    assert kubectl.run("apply", "--dry-run=server", "-f", "-", given=SETTINGS.replace('"2"', '"4"'))
    assert kubectl.json("get", "configmap", "settings")["data"]["b"] == "2"


def test_generators_that_send_protobuf(kubectl: Kubectl):
    kubectl.run("create", "configmap", "made", "--from-literal=a=b")
    kubectl.run("create", "secret", "generic", "made", "--from-literal=password=hunter2")
    kubectl.run("create", "serviceaccount", "made")
    assert kubectl.json("get", "configmap", "made")["data"] == {"a": "b"}
    assert kubectl.json("get", "secret", "made")["data"] == {"password": "aHVudGVyMg=="}
    assert re.search(r"made +Opaque +1 ", kubectl.run("get", "secrets"))


def test_edit(kubectl: Kubectl):
    kubectl.make(SETTINGS)
    assert "edited" in kubectl.run("edit", "configmap", "settings", EDITOR='sed -i \'s/b: "2"/b: "9"/\'')
    assert kubectl.json("get", "configmap", "settings")["data"]["b"] == "9"


def test_patches_labels_and_annotations(kubectl: Kubectl):
    kubectl.make(POD)
    kubectl.run(
        "patch", "pod", "web", "-p", '{"spec":{"containers":[{"name":"main","image":"registry.example.com/app:2"}]}}'
    )
    kubectl.run("patch", "pod", "web", "--type=merge", "-p", '{"metadata":{"labels":{"m":"1"}}}')
    kubectl.run("patch", "pod", "web", "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/j","value":"1"}]')
    kubectl.run("label", "pod", "web", "tier=front", "m-")
    kubectl.run("annotate", "pod", "web", "note=hello")
    pod = kubectl.json("get", "pod", "web")
    assert pod["metadata"]["labels"] == {"app": "web", "j": "1", "tier": "front"}
    assert pod["metadata"]["annotations"] == {"note": "hello"}
    assert pod["spec"]["containers"][0]["image"].endswith("app:2")
    assert "image updated" in kubectl.run("set", "image", "pod/web", "main=registry.example.com/app:3")


def test_an_invalid_object_is_explained(kubectl: Kubectl):
    error = kubectl.run("create", "-f", "-", given=POD.replace("name: main", "name: Main"), fails=True)
    assert 'The Pod "web" is invalid' in error
    assert "spec.containers[0].name" in error


def test_delete_waits_until_the_object_is_gone(kubectl: Kubectl):
    kubectl.make(SETTINGS.replace("labels:", 'finalizers: ["example.com/hold"], labels:'))
    with kubectl.start("delete", "configmap", "settings") as deleting:
        wait_for(
            lambda: "deletionTimestamp" in kubectl.json("get", "configmap", "settings")["metadata"],
            "the deletion to begin",
        )
        assert deleting.poll() is None
        kubectl.run("patch", "configmap", "settings", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        output, error = deleting.communicate(timeout=DEADLINE_SECONDS)
    assert deleting.returncode == 0, error
    assert "deleted" in output
    assert "NotFound" in kubectl.run("get", "configmap", "settings", fails=True)


def test_delete_by_label_and_of_everything(kubectl: Kubectl):
    kubectl.make(POD)
    kubectl.make(POD.replace("name: web,", "name: other,").replace("app: web", "app: other"))
    assert kubectl.run("delete", "pods", "-l", "app=web").count("deleted") == 1
    assert kubectl.run("delete", "pods", "--all").count("deleted") == 1
    assert "No resources found" in kubectl.run("get", "pods")


def test_get_watch_follows(kubectl: Kubectl):
    kubectl.make(POD)
    with kubectl.start("get", "pods", "-w", "-o", "name") as watching:
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "pod/web\n"
            kubectl.run("label", "pod", "web", "x=y")
            assert watching.stdout.readline() == "pod/web\n"
            kubectl.make(POD.replace("name: web,", "name: second,"))
            assert watching.stdout.readline() == "pod/second\n"
        finally:
            watching.terminate()


def test_wait_sees_a_condition_come(kubectl: Kubectl):
    kubectl.make(POD)
    with kubectl.start("wait", "pod/web", "--for=condition=Ready", f"--timeout={DEADLINE_SECONDS}s") as waiting:
        ready = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
        kubectl.run("patch", "pod", "web", "--subresource=status", "--type=merge", "-p", ready)
        output, error = waiting.communicate(timeout=DEADLINE_SECONDS)
    assert (waiting.returncode, output) == (0, "pod/web condition met\n"), error
    assert kubectl.run("wait", "pod/web", "--for=jsonpath={.status.phase}=Pending", "--timeout=5s")
    assert "timed out" in kubectl.run("wait", "pod/web", "--for=condition=Other", "--timeout=1s", fails=True)


def test_cordon_taint_and_drain(kubectl: Kubectl):
    node = f"node-{kubectl.namespace}"
    kubectl.make(f"apiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n")
    kubectl.make(POD.replace("spec:\n", f"spec:\n  nodeName: {node}\n  terminationGracePeriodSeconds: 0\n"))
    assert "cordoned" in kubectl.run("cordon", node)
    assert "SchedulingDisabled" in kubectl.run("get", "node", node)
    assert kubectl.json("get", "node", node)["spec"]["unschedulable"] is True
    kubectl.run("taint", "node", node, "dedicated=db:NoSchedule")
    assert kubectl.json("get", "node", node)["spec"]["taints"]
    assert "evicted" in kubectl.run("drain", node, "--force", f"--timeout={DEADLINE_SECONDS}s")
    assert "uncordoned" in kubectl.run("uncordon", node)
    assert "Name:" in kubectl.run("describe", "node", node)
    kubectl.run("delete", "node", node)


def test_explain(kubectl: Kubectl):
    text = kubectl.run("explain", "pod.spec.containers.image")
    assert "FIELD: image <string>" in text
    assert "DESCRIPTION" in text
    assert "FIELDS" in kubectl.run("explain", "leases")


def test_events(kubectl: Kubectl):
    kubectl.make(POD)
    pod = kubectl.json("get", "pod", "web")["metadata"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web.1"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": "web",
            "namespace": kubectl.namespace,
            "uid": pod["uid"],
        },
        "type": "Normal",
        "reason": "Pulled",
        "message": "the image is here",
        "count": 3,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    kubectl.make(json.dumps(event))
    assert "the image is here" in kubectl.run("describe", "pod", "web")
    assert "pod/web" in kubectl.run("get", "events")
    assert "Pulled" in kubectl.run("events", "--for", "pod/web")


def test_without_a_token_nobody_gets_in(kubectl: Kubectl):
    error = kubectl.run("--token=wrong", "get", "pods", fails=True)
    assert "You must be logged in" in error


def test_autoscale_in_both_versions(kubectl: Kubectl):
    kubectl.run("create", "deployment", "web", "--image=registry.example.com/app:1")
    kubectl.run("autoscale", "deployment", "web", "--min=2", "--max=8", "--cpu-percent=60")
    spec = kubectl.json("get", "hpa", "web")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 8)
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 60
    first = kubectl.json("get", "horizontalpodautoscalers.v1.autoscaling", "web")
    assert (first["apiVersion"], first["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 60)
    manifest = f"""
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {{name: web}}
spec:
  scaleTargetRef: {json.dumps(spec["scaleTargetRef"])}
  minReplicas: 2
  maxReplicas: 9
  targetCPUUtilizationPercentage: 70
"""
    kubectl.run("apply", "-f", "-", given=manifest)
    assert "unchanged" in kubectl.run("apply", "-f", "-", given=manifest)
    assert kubectl.run("diff", "-f", "-", given=manifest) == ""
    assert re.search(r"\nweb +Deployment/web +cpu: <unknown>/70% +2 +9 ", kubectl.run("get", "hpa"))
    assert "Max replicas:" in kubectl.run("describe", "hpa", "web")
    assert "targetCPUUtilizationPercentage" in kubectl.run("explain", "hpa.spec", "--api-version=autoscaling/v1")


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GROUPED}
spec:
  group: GROUP
  scope: Namespaced
  names: {plural: rockets, kind: Rocket, shortNames: [rk]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              stages: {type: integer, minimum: 1, description: How many stages burn one after another.}
              engines: {type: integer}
          status: {type: object, properties: {engines: {type: integer}}}
    subresources: {status: {}, scale: {specReplicasPath: .spec.engines, statusReplicasPath: .status.engines}}
    additionalPrinterColumns:
    - {name: Stages, type: integer, jsonPath: .spec.stages}
    - {name: Engines, type: integer, jsonPath: .spec.engines, priority: 1}
---
apiVersion: GROUP/v1
kind: Rocket
metadata: {name: ariane}
spec: {stages: 2, engines: 1}
"""


def test_a_kind_of_ones_own(kubectl: Kubectl):
    group = f"{kubectl.namespace}.example.com"
    name = f"rockets.{group}"
    both = DEFINITION.replace("GROUPED", name).replace("GROUP", group)
    refusal = kubectl.run("apply", "-f", "-", given=both, fails=True)
    assert "ensure CRDs are installed first" in refusal  # kubectl looks all kinds up before it sends anything
    kubectl.run("wait", "--for=condition=Established", f"crd/{name}")
    told = kubectl.run("apply", "-f", "-", given=both)
    assert f"{name} unchanged" in told
    assert f"rocket.{group}/ariane created" in told
    assert kubectl.run("apply", "-f", "-", given=both).count("unchanged") == 2
    resource = f"rockets.v1.{group}"
    header, row = kubectl.run("get", resource).splitlines()
    assert (header.split(), row.split()) == (["NAME", "STAGES"], ["ariane", "2"])
    assert "ENGINES" in kubectl.run("get", resource, "-o", "wide")
    assert "How many stages burn" in kubectl.run("explain", "rockets.spec.stages", f"--api-version={group}/v1")
    faulty = kubectl.run("patch", resource, "ariane", "--type=merge", "-p", '{"spec": {"stages": 0}}', fails=True)
    assert "spec.stages: Invalid value" in faulty
    kubectl.run(
        "patch", resource, "ariane", "--type=json", "-p", '[{"op": "replace", "path": "/spec/stages", "value": 3}]'
    )
    kubectl.run("patch", resource, "ariane", "--type=merge", "--subresource=status", "-p", '{"status": {"engines": 1}}')
    kubectl.run("scale", resource, "ariane", "--replicas=5")
    made = kubectl.json("get", resource, "ariane")
    assert (made["spec"], made["status"], made["metadata"]["generation"]) == (
        {"stages": 3, "engines": 5},
        {"engines": 1},
        3,
    )
    typo = both.replace("stages: 2", "stage: 2")
    assert 'unknown field "spec.stage"' in kubectl.run("apply", "-f", "-", given=typo, fails=True)
    with kubectl.start("get", resource, "--watch", "--output-watch-events") as watch:
        assert watch.stdout is not None
        assert "EVENT" in watch.stdout.readline()
        assert "ADDED" in watch.stdout.readline()
        kubectl.run("label", resource, "ariane", "checked=yes")
        assert "MODIFIED" in watch.stdout.readline()
        watch.terminate()
    assert "ariane" in kubectl.run("describe", resource, "ariane")
    kubectl.run("delete", resource, "ariane")
    kubectl.run("delete", "crd", name, "--wait=false")
