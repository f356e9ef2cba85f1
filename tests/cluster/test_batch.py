"""Jobs, cron jobs, budgets and preemption on real containers, driven by the real kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.instance import Instance, condition, wait_for
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
Wire = dict[str, Any]
POLICY = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
JOBS = "/apis/batch/v1/namespaces/default/jobs"


def kubectl(instance: Instance, *words: str) -> str:
    done = instance.kubectl(*words)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def get(instance: Instance, *words: str) -> Wire:
    found: Wire = json.loads(kubectl(instance, "get", *words, "-o", "json"))
    return found


def job(name: str, image: str, script: str, **spec: Any) -> Wire:
    inner = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "containers": [container("main", image, script)],
    }
    template = {"spec": inner}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def create_job(instance: Instance, wire: Wire) -> None:
    answer = instance.api.post(JOBS, json=wire)
    assert answer.status_code == 201, answer.text


def delete_job(instance: Instance, name: str) -> None:
    kubectl(instance, "delete", "job", name, "--ignore-not-found", "--wait=true")
    wait_for(
        f"the pods of {name} are gone",
        lambda: not get(instance, "pods", "-l", f"batch.kubernetes.io/job-name={name}")["items"],
    )


def test_kubectl_makes_a_job_waits_for_it_and_reads_its_log(instance: Instance, busybox: str) -> None:
    kubectl(instance, "create", "job", "hello", f"--image={busybox}", "--", "echo", "hello from a job")
    kubectl(instance, "wait", "--for=condition=Complete", "job/hello", "--timeout=150s")
    assert "hello from a job" in kubectl(instance, "logs", "job/hello")
    described = kubectl(instance, "describe", "job", "hello")
    assert "1 Succeeded / 0 Failed" in described
    assert "Completed" in described
    assert "Complete" in kubectl(instance, "get", "job", "hello")
    (done,) = get(instance, "pods", "-l", "job-name=hello")["items"]
    assert "finalizers" not in done["metadata"]
    delete_job(instance, "hello")


def test_each_index_does_its_part_and_a_bad_one_is_given_up(instance: Instance, busybox: str) -> None:
    script = "echo part $JOB_COMPLETION_INDEX of $HOSTNAME; test $JOB_COMPLETION_INDEX != 1"
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0}
    create_job(instance, job("parts", busybox, script, **spec))
    kubectl(instance, "wait", "--for=condition=Failed", "job/parts", "--timeout=150s")
    status = get(instance, "job", "parts")["status"]
    assert (status["completedIndexes"], status["failedIndexes"], status["failed"]) == ("0,2", "1", 1)
    logs = kubectl(instance, "logs", "-l", "job-name=parts", "--tail=-1")
    assert sorted(line for line in logs.splitlines() if line) == [f"part {i} of parts-{i}" for i in range(3)]
    delete_job(instance, "parts")


def test_a_deadline_ends_what_runs_and_a_deleted_job_takes_its_pod_along(instance: Instance, busybox: str) -> None:
    create_job(instance, job("long", busybox, "sleep 3600", activeDeadlineSeconds=1))
    kubectl(instance, "wait", "--for=condition=Failed", "job/long", "--timeout=150s")
    found = get(instance, "job", "long")["status"]["conditions"]
    assert {each["reason"] for each in found if each["status"] == "True"} == {"DeadlineExceeded"}
    delete_job(instance, "long")


def test_killing_the_worker_loses_no_count(instance: Instance, busybox: str) -> None:
    create_job(instance, job("many", busybox, "true", completions=6, parallelism=3))
    os.kill(instance.pid_of("worker"), 9)
    kubectl(instance, "wait", "--for=condition=Complete", "job/many", "--timeout=150s")
    pods = get(instance, "pods", "-l", "job-name=many")["items"]
    assert get(instance, "job", "many")["status"]["succeeded"] == 6
    assert len(pods) == 6
    assert not any("finalizers" in each["metadata"] for each in pods)
    delete_job(instance, "many")


def test_a_cron_job_is_made_by_kubectl_and_run_by_hand(instance: Instance, busybox: str) -> None:
    kubectl(instance, "create", "cronjob", "yearly", f"--image={busybox}", "--schedule=@yearly", "--", "echo", "now")
    assert "@yearly" in kubectl(instance, "get", "cronjob", "yearly")
    wait_for(
        "it knows when it is due", lambda: get(instance, "cronjob", "yearly").get("status", {}).get("nextScheduleTime")
    )
    kubectl(instance, "create", "job", "by-hand", "--from=cronjob/yearly")
    kubectl(instance, "wait", "--for=condition=Complete", "job/by-hand", "--timeout=150s")
    assert "Schedule:" in kubectl(instance, "describe", "cronjob", "yearly")
    kubectl(instance, "delete", "cronjob", "yearly")
    wait_for("its job is gone", lambda: not get(instance, "jobs")["items"])


@pytest.fixture
def guarded(instance: Instance, busybox: str) -> Iterator[list[str]]:
    """Two pods of which one must stay."""
    names = ["guarded-0", "guarded-1"]
    for name in names:
        wire = pod(name, container("main", busybox))
        wire["metadata"]["labels"] = {"app": "guarded"}
        instance.create(wire)
    for name in names:
        instance.wait_running(name)
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "guarded"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "guarded"}}},
    }
    assert instance.api.post(POLICY, json=budget).status_code == 201
    yield names
    instance.api.delete(f"{POLICY}/guarded")
    instance.kubectl("uncordon", instance.node)
    for name in names:
        instance.delete_pod(name)


def test_a_drain_waits_while_a_budget_forbids_more(instance: Instance, guarded: list[str]) -> None:
    wait_for("one may go", lambda: get(instance, "pdb", "guarded").get("status", {}).get("disruptionsAllowed") == 1)
    command = ["kubectl", "drain", instance.node, "--force", "--pod-selector=app=guarded", "--timeout=150s"]
    environment = {**os.environ, "KUBECONFIG": str(instance.kubeconfig)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as drain:
        wait_for("one is gone", lambda: any(instance.pod(name) is None for name in guarded))
        (left,) = [name for name in guarded if instance.pod(name) is not None]
        refusal = instance.api.post(f"/api/v1/namespaces/default/pods/{left}/eviction", json={"kind": "Eviction"})
        assert (refusal.status_code, refusal.json()["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")
        assert drain.poll() is None
        assert condition(instance.pod(left) or {}, "Ready") == "True"
        merge = {"Content-Type": "application/merge-patch+json"}
        instance.api.patch(
            f"{POLICY}/guarded", content=b'{"spec":{"minAvailable":0}}', headers=merge
        ).raise_for_status()
        output, _ = drain.communicate(timeout=180)
    assert drain.returncode == 0, output
    assert "drained" in output
    assert instance.pod(left) is None


def test_an_important_pod_takes_the_place_of_another(instance: Instance, busybox: str) -> None:
    allocatable = get(instance, "node", instance.node)["status"]["allocatable"]
    most = allocatable["cpu"]
    kubectl(instance, "create", "priorityclass", "vip", "--value=1000")
    asking: dict[str, Any] = {"resources": {"requests": {"cpu": most}}}
    try:
        instance.create(pod("low", container("main", busybox, **asking)))
        instance.wait_running("low")
        instance.create(pod("vip", container("main", busybox, **asking), priorityClassName="vip"))
        instance.wait_running("vip")
        wait_for("the other one is gone", lambda: instance.pod("low") is None)
        wait_for("it is told", lambda: "Preempted" in kubectl(instance, "get", "events"))
    finally:
        for name in ("low", "vip"):
            instance.delete_pod(name)
        kubectl(instance, "delete", "priorityclass", "vip")
