"""Jobs on a real store: made by the API, run by the controllers, counted once, gone with all they held."""

from __future__ import annotations

import pytest
from django.db import connection

from controlplane.controllers import registry
from controlplane.controllers.base import REFUSED_SECONDS
from controlplane.controllers.broker import Work
from controlplane.controllers.jobs import controller as carrying
from controlplane.controllers.jobs import plan
from controlplane.controllers.jobs.pods import FINALIZER
from controlplane.store import objects
from controlplane.store.errors import Conflict, NotFound
from schema import kinds, meta
from tests.api.client import Api
from tests.api.cluster_objects import condition, event_reasons, node
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)
JOBS = "/apis/batch/v1/namespaces/default/jobs"
KEY = Work(registry.RECONCILE, ("job", "default", "pi"))


@pytest.fixture
def pump():
    with pumping() as made:
        node()
        yield made


def wire(name="pi", **spec):
    inner = {"containers": [{"name": "main", "image": "busybox:1"}], "restartPolicy": "Never"}
    template = {"metadata": {"labels": {"app": "pi"}}, "spec": inner}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def get(name="pi"):
    return objects.get(kinds.JOB, "default", name)


def pods():
    return objects.list_objects(kinds.POD, namespace="default").items


def end(pod, phase="Succeeded"):
    code = 0 if phase == "Succeeded" else 1
    ended = {"exitCode": code, "finishedAt": meta.format_time(meta.now())}
    status = {**pod["status"], "phase": phase, "containerStatuses": [{"name": "main", "state": {"terminated": ended}}]}
    objects.replace(kinds.POD, {**pod, "status": status}, subresource="status")


def test_a_job_runs_its_pods_and_completes(pump, api: Api):
    made = api.created(JOBS, wire(completions=2, parallelism=2))
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"] == {
        "app": "pi",
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "pi",
        "controller-uid": uid,
        "job-name": "pi",
    }
    assert made["metadata"]["labels"] == {"app": "pi"}
    assert (made["spec"]["backoffLimit"], made["spec"]["completionMode"]) == (6, "NonIndexed")
    pump.settle()
    running = pods()
    assert len(running) == 2
    assert all(pod["metadata"]["name"].startswith("pi-") and pod["spec"]["nodeName"] for pod in running)
    assert running[0]["metadata"]["finalizers"] == [FINALIZER]
    assert running[0]["status"]["qosClass"] == "BestEffort"
    assert get()["status"]["active"] == 2
    for pod in running:
        end(pod)
    pump.settle()
    status = get()["status"]
    assert (status["succeeded"], status["active"]) == (2, 0)
    assert condition(get(), "Complete")["status"] == "True"
    assert not any("finalizers" in pod["metadata"] for pod in pods())
    reasons = [reason for reason, _, _ in event_reasons("pi")]
    assert sorted(reasons) == ["Completed", "SuccessfulCreate", "SuccessfulCreate"]


def test_a_second_pass_writes_nothing(pump, api: Api):
    api.created(JOBS, wire())
    pump.settle()
    before = objects.current_revision()
    registry.CONTROLLERS["job"].reconcile("default", "pi")
    assert objects.current_revision() == before


def test_two_passes_at_once_do_not_make_the_pods_twice(pump, api: Api):
    api.created(JOBS, wire(parallelism=3, completions=3))
    job = get()
    decision = plan.decide(job, [], meta.now())
    carrying.carry_out(job, decision)
    with pytest.raises(Conflict):
        carrying.carry_out(job, decision)
    assert len(pods()) == 3


def test_what_a_pass_counts_it_counts_whole_or_not_at_all(pump, api: Api, monkeypatch):
    api.created(JOBS, wire())
    pump.settle()
    end(pods()[0])
    real = objects.write_many

    def dies(writes):
        if any(getattr(each, "subresource", "") == "status" for each in writes):
            real(writes)
            raise ZeroDivisionError
        return real(writes)

    monkeypatch.setattr(objects, "write_many", dies)
    with pytest.raises(ZeroDivisionError):
        registry.CONTROLLERS["job"].reconcile("default", "pi")
    monkeypatch.undo()
    assert get()["status"].get("succeeded") == 0
    assert pods()[0]["metadata"]["finalizers"] == [FINALIZER]
    pump.settle()
    assert get()["status"]["succeeded"] == 1
    connection.ensure_connection()


def test_a_pod_that_a_quota_refuses_is_tried_again(pump, api: Api):
    quota = {"metadata": {"name": "team", "namespace": "default"}, "spec": {"hard": {"pods": "1"}}}
    objects.create(kinds.RESOURCE_QUOTA, quota)
    api.created(JOBS, wire(parallelism=2, completions=2))
    pump.settle()
    assert len(pods()) == 1
    assert get()["status"]["active"] == 1
    assert pump.waits[KEY].again_after == REFUSED_SECONDS
    assert "exceeded quota: team" in pump.waits[KEY].reason
    assert "FailedCreate" in [reason for reason, _, _ in event_reasons("pi")]
    objects.mutate(kinds.RESOURCE_QUOTA, "default", "team", lambda one: {**one, "spec": {"hard": {"pods": "2"}}})
    registry.CONTROLLERS["job"].reconcile("default", "pi")
    assert len(pods()) == 2


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_deleted_job_goes_with_its_pods(pump, api: Api, policy):
    api.created(JOBS, wire())
    pump.settle()
    (pod,) = pods()
    assert api.delete(f"{JOBS}/pi?propagationPolicy={policy}")[0] == 200
    pump.settle()
    (pod,) = pods()
    assert pod["metadata"]["deletionTimestamp"], "its agent ends it"
    objects.finish_deletion(kinds.POD, "default", pod["metadata"]["name"], pod["metadata"]["uid"])
    pump.settle()
    assert pods() == []
    with pytest.raises(NotFound):
        get()


def test_what_was_held_for_a_job_that_nobody_saw_go_is_let_go_by_the_full_pass(api: Api):
    api.created(JOBS, wire())
    registry.CONTROLLERS["job"].reconcile("default", "pi")
    objects.delete(kinds.JOB, "default", "pi")
    objects.delete(kinds.POD, "default", pods()[0]["metadata"]["name"])
    keys = list(registry.CONTROLLERS["job"].all_keys())
    assert keys == [("default", "pi")]
    registry.CONTROLLERS["job"].reconcile(*keys[0])
    assert pods() == []


def test_its_time_over_it_removes_itself(pump, api: Api):
    api.created(JOBS, wire(ttlSecondsAfterFinished=0))
    pump.settle()
    end(pods()[0])
    pump.settle()
    with pytest.raises(NotFound):
        get()


def test_suspending_and_resuming(pump, api: Api):
    api.created(JOBS, wire(suspend=True))
    pump.settle()
    assert pods() == []
    assert api.patch(f"{JOBS}/pi", {"spec": {"suspend": False}})[0] == 200
    pump.settle()
    assert len(pods()) == 1


def test_a_job_of_another_manager_is_left_alone(pump, api: Api):
    api.created(JOBS, wire(managedBy="example.com/other"))
    pump.settle()
    assert pods() == []


def test_what_may_not_change_is_named(pump, api: Api):
    api.created(JOBS, wire())
    for change, field in (
        ({"completionMode": "Indexed", "completions": 1}, "spec.completionMode"),
        ({"completions": 5}, "spec.completions"),
        ({"template": {"spec": {"restartPolicy": "OnFailure"}}}, "spec.template"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "spec.selector"),
    ):
        code, status = api.patch(f"{JOBS}/pi", {"spec": change})
        assert code == 422, change
        assert field in [cause["field"] for cause in status["details"]["causes"]], status
    assert api.patch(f"{JOBS}/pi", {"spec": {"parallelism": 4, "suspend": True}})[0] == 200
