"""Cron jobs on a real store: fired once, with their entry in the ledger, and refused where they make no sense."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from controlplane.controllers import registry
from controlplane.controllers.base import REFUSED_SECONDS
from controlplane.controllers.broker import Work
from controlplane.controllers.cronjobs import controller as firing
from controlplane.controllers.cronjobs import plan
from controlplane.store import objects
from controlplane.store.errors import Conflict
from controlplane.store.kinds.cronjob import CronJob
from schema import kinds, meta
from tests.api.client import Api
from tests.api.cluster_objects import event_reasons, node
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)
CRON_JOBS = "/apis/batch/v1/namespaces/default/cronjobs"
KEY = Work(registry.RECONCILE, ("cronjob", "default", "tick"))


class Clock:
    """What the controllers take for now."""

    def __init__(self, monkeypatch) -> None:
        self.now = meta.now().replace(second=30, microsecond=0)
        monkeypatch.setattr(meta, "now", lambda: self.now)

    def pass_(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def pump(clock):
    with pumping() as made:
        node()
        yield made


def wire(**spec):
    inner = {"containers": [{"name": "main", "image": "busybox:1"}], "restartPolicy": "Never"}
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": inner}}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": spec}


def created(api, clock, **spec):
    """As if it had been made at the clock's time."""
    made = api.created(CRON_JOBS, wire(**spec))
    CronJob.objects.update(created_at=meta.format_time(clock.now))
    return made


def get():
    return objects.get(kinds.CRON_JOB, "default", "tick")


def ledger():
    return [(each["outcome"], each["reason"]) for each in get()["status"].get("ledger", [])]


def look():
    return registry.CONTROLLERS["cronjob"].reconcile("default", "tick")


def jobs():
    return objects.list_objects(kinds.JOB, namespace="default").items


def test_it_fires_when_due_and_waits_for_the_next(pump, clock, api: Api):
    created(api, clock)
    pump.settle()
    assert jobs() == []
    assert 29 < pump.waits[KEY].again_after < 31
    clock.pass_(30)
    assert look().again_after == pytest.approx(60, abs=0.1)
    pump.settle()
    (job,) = jobs()
    assert job["metadata"]["name"] == plan.name_of(get(), clock.now)
    assert job["spec"]["backoffLimit"] == 6, "it has a job's defaults"
    assert [each["name"] for each in get()["status"]["active"]] == [job["metadata"]["name"]]
    assert len(objects.list_objects(kinds.POD, namespace="default").items) == 1
    assert ledger() == [("ran", "OnTime")]
    assert ("SuccessfulCreate", f"Created job {job['metadata']['name']}", 1) in event_reasons("tick")
    before = objects.current_revision()
    look()
    assert objects.current_revision() == before


def test_a_control_plane_that_was_down_across_two_times_says_so(clock, api: Api):
    created(api, clock, startingDeadlineSeconds=15)
    look()
    clock.pass_(130)
    look()
    assert ledger() == [("missed", "DeadlinePassed"), ("missed", "DeadlinePassed")]
    assert jobs() == []
    assert [reason for reason, _, _ in event_reasons("tick")].count("MissSchedule") == 2


def test_two_that_fire_at_once_make_one_job(clock, api: Api):
    created(api, clock)
    look()
    stale = get()
    clock.pass_(30)
    decision = plan.decide(stale, [], clock.now)
    firing.fire(stale, decision)
    with pytest.raises(Conflict):
        firing.fire(stale, decision)
    assert len(jobs()) == 1


def test_what_a_quota_refuses_is_tried_again_and_leaves_no_false_entry(clock, api: Api):
    quota = {"metadata": {"name": "team", "namespace": "default"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    objects.create(kinds.RESOURCE_QUOTA, quota)
    created(api, clock)
    look()
    clock.pass_(30)
    verdict = look()
    assert verdict.again_after == REFUSED_SECONDS
    assert "exceeded quota" in verdict.reason
    assert ledger() == []
    assert "FailedCreate" in [reason for reason, _, _ in event_reasons("tick")]
    objects.delete(kinds.RESOURCE_QUOTA, "default", "team")
    clock.pass_(5)
    look()
    assert ledger() == [("ran", "OnTime")]


def test_a_deleted_cron_job_takes_its_jobs_along(pump, clock, api: Api):
    created(api, clock)
    clock.pass_(30)
    look()
    pump.settle()
    assert len(jobs()) == 1
    api.delete(f"{CRON_JOBS}/tick")
    pump.settle()
    assert jobs() == []


def test_a_bad_schedule_or_zone_is_refused_with_its_field(api: Api):
    for spec, field in (({"schedule": "every day"}, "spec.schedule"), ({"timeZone": "Mars"}, "spec.timeZone")):
        code, status = api.post(CRON_JOBS, wire(**spec))
        assert (code, status["details"]["causes"][0]["field"]) == (422, field)
