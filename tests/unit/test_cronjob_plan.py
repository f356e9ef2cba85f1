"""What a cron job decides and writes into its ledger: by table, and over random histories of looking and not looking."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers.cronjobs import plan
from controlplane.controllers.cronjobs.plan import Decision
from schema import cron, meta
from schema.base import Wire

BORN = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def cronjob(status: Wire | None = None, generation: int = 1, **spec: Any) -> Wire:
    inner = {"template": {"spec": {"containers": [], "restartPolicy": "Never"}}}
    metadata = {
        "name": "c",
        "namespace": "default",
        "uid": "c",
        "generation": generation,
        "creationTimestamp": meta.format_time(BORN),
    }
    spec = {"schedule": "*/10 * * * *", "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": inner}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec, "status": status or {}}


def job(name: str, ended: str = "", started: datetime = BORN) -> Wire:
    conditions = [{"type": ended, "status": "True"}] if ended else []
    status: Wire = {"conditions": conditions, "startTime": meta.format_time(started)}
    if ended == "Complete":
        status["completionTime"] = meta.format_time(started + timedelta(seconds=5))
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "status": status}


def ledger(decision: Decision) -> list[tuple[str, str, str]]:
    return [(each["due"][11:16], each["outcome"], each["reason"]) for each in decision.status.get("ledger", [])]


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def test_it_runs_when_due() -> None:
    decision = plan.decide(cronjob(), [], seconds(0.2))
    assert ledger(decision) == [("12:00", "ran", "OnTime")]
    made = decision.create
    assert made is not None
    assert made["metadata"]["name"] == f"c-{int(NOON.timestamp()) // 60}"
    assert made["metadata"]["labels"] == {"a": "b"}
    assert made["metadata"]["annotations"] == {plan.SCHEDULED_AT: "2026-01-01T12:00:00Z"}
    assert made["metadata"]["ownerReferences"][0]["controller"]
    assert decision.status["lastScheduleTime"] == "2026-01-01T12:00:00Z"
    assert decision.again == NOON + timedelta(minutes=10)


def test_before_it_is_due_it_waits() -> None:
    decision = plan.decide(cronjob(), [], seconds(-0.01))
    assert (decision.create, ledger(decision), decision.again) == (None, [], NOON)


def test_looking_again_changes_nothing() -> None:
    first = plan.decide(cronjob(), [], seconds(1))
    second = plan.decide(cronjob(first.status), [], seconds(2))
    assert (second.create, second.status, second.events) == (None, first.status, [])


RUNNING = [job("old")]


@pytest.mark.parametrize(
    ("spec", "jobs", "late", "entries", "made", "ended"),
    [
        ({}, [], 1, [("12:00", "ran", "OnTime")], True, []),
        ({"concurrencyPolicy": "Allow"}, RUNNING, 1, [("12:00", "ran", "OnTime")], True, []),
        ({"concurrencyPolicy": "Forbid"}, RUNNING, 1, [("12:00", "skipped", "JobRunning")], False, []),
        ({"concurrencyPolicy": "Forbid"}, [job("old", "Complete")], 1, [("12:00", "ran", "OnTime")], True, []),
        ({"concurrencyPolicy": "Replace"}, RUNNING, 1, [("12:00", "replaced", "OnTime")], True, ["old"]),
        ({"suspend": True}, [], 1, [("12:00", "skipped", "Suspended")], False, []),
        ({"startingDeadlineSeconds": 5}, [], 6, [("12:00", "missed", "DeadlinePassed")], False, []),
        ({"startingDeadlineSeconds": 5}, [], 4, [("12:00", "ran", "OnTime")], True, []),
        (
            {"startingDeadlineSeconds": 60},
            [],
            30,
            [("12:00", "missed", "NotStartedInTime"), ("12:00", "ran", "MadeUp")],
            True,
            [],
        ),
        ({}, [], 30, [("12:00", "missed", "NotStartedInTime"), ("12:00", "ran", "MadeUp")], True, []),
    ],
)
def test_policies_by_table(
    spec: dict[str, Any], jobs: list[Wire], late: float, entries: Any, made: bool, ended: list[str]
) -> None:
    decision = plan.decide(cronjob(**spec), jobs, seconds(late))
    assert ledger(decision) == entries
    assert (decision.create is not None) is made
    assert [each["metadata"]["name"] for each in decision.delete] == ended


def test_down_across_two_times_shows_two_missed_and_makes_up_for_the_newer() -> None:
    """12:00 and 12:10 pass unseen."""
    decision = plan.decide(cronjob(), [], seconds(15 * 60))
    assert ledger(decision) == [
        ("12:00", "missed", "NotStartedInTime"),
        ("12:10", "missed", "NotStartedInTime"),
        ("12:10", "ran", "MadeUp"),
    ]
    assert decision.create is not None
    assert decision.create["metadata"]["name"] == plan.name_of(cronjob(), seconds(600))
    assert decision.status["ledger"][-1]["message"] == "started 300 s late"


def test_down_across_two_times_with_a_deadline_runs_nothing() -> None:
    decision = plan.decide(cronjob(startingDeadlineSeconds=60), [], seconds(15 * 60))
    assert ledger(decision) == [("12:00", "missed", "DeadlinePassed"), ("12:10", "missed", "DeadlinePassed")]
    assert decision.create is None
    assert [told.reason for told in decision.events] == ["MissSchedule", "MissSchedule"]


def test_what_was_skipped_stays_skipped() -> None:
    first = plan.decide(cronjob(concurrencyPolicy="Forbid"), RUNNING, seconds(1))
    second = plan.decide(cronjob(first.status, concurrencyPolicy="Forbid"), [job("old", "Complete")], seconds(90))
    assert second.create is None
    assert [told.message for told in second.events] == ["Saw completed job: old, condition: Complete"]


def test_a_new_schedule_counts_from_now() -> None:
    status = {"observedGeneration": 1}
    decision = plan.decide(cronjob(status, generation=2, schedule="* * * * *"), [], seconds(3600.5))
    assert (ledger(decision), decision.create) == ([], None)
    assert decision.again == seconds(3660)
    decision = plan.decide(cronjob(decision.status, generation=2, schedule="* * * * *"), [], seconds(3660.5))
    assert ledger(decision) == [("13:01", "ran", "OnTime")]


def test_every_so_often_counts_from_the_job_s_making_and_goes_on_after_a_pause() -> None:
    every = "@every 7m"  # born at 11:59
    decision = plan.decide(cronjob(schedule=every), [], seconds(0))
    assert (ledger(decision), decision.again) == ([], seconds(360))
    decision = plan.decide(cronjob(decision.status, schedule=every), [], seconds(360.1))
    assert (ledger(decision), decision.again) == ([("12:06", "ran", "OnTime")], seconds(780))
    decision = plan.decide(cronjob(decision.status, schedule=every), [], seconds(1500))
    assert [each[:2] for each in ledger(decision)[1:]] == [("12:13", "missed"), ("12:20", "missed"), ("12:20", "ran")]
    assert decision.again == seconds(1620)


def test_a_long_absence_leaves_the_latest_entries() -> None:
    decision = plan.decide(cronjob(schedule="* * * * *"), [], seconds(86400 * 300 + 1))
    assert len(decision.status["ledger"]) == plan.LEDGER_ENTRIES
    assert ledger(decision)[-1] == ("12:00", "ran", "OnTime")


def test_only_the_latest_few_jobs_are_kept() -> None:
    done = [job(f"ok-{n}", "Complete", BORN + timedelta(seconds=n)) for n in range(4)]
    failed = [job(f"no-{n}", "Failed", BORN + timedelta(seconds=n)) for n in range(3)]
    limited = cronjob(successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    decision = plan.decide(limited, [*done, *failed], seconds(-1))
    assert sorted(each["metadata"]["name"] for each in decision.delete) == ["no-0", "no-1", "ok-0"]
    assert decision.status["lastSuccessfulTime"] == meta.format_time(BORN + timedelta(seconds=8))


looks = st.lists(st.floats(0.1, 4000), min_size=1, max_size=25)


@settings(max_examples=120, deadline=None)
@given(
    looks,
    st.sampled_from(["Allow", "Forbid", "Replace"]),
    st.sampled_from([None, 5, 700]),
    st.sampled_from([1, 120, 100000]),
)
def test_every_time_that_fell_due_has_its_entry_and_none_runs_twice(
    gaps: list[float], policy: str, deadline: int | None, takes: int
) -> None:
    spec: dict[str, Any] = {"concurrencyPolicy": policy}
    if deadline is not None:
        spec["startingDeadlineSeconds"] = deadline
    status: Wire = {}
    jobs: dict[str, tuple[Wire, datetime]] = {}
    made: list[str] = []
    entries: dict[tuple[str, str], Wire] = {}
    now = BORN
    for gap in gaps:
        now += timedelta(seconds=gap)
        current = [job(name, "Complete" if began + timedelta(seconds=takes) <= now else "", began)
                   for name, (_, began) in jobs.items()]  # fmt: skip
        decision = plan.decide(cronjob(status, **spec), current, now)
        for each in decision.delete:
            del jobs[each["metadata"]["name"]]
        if decision.create is not None:
            name = decision.create["metadata"]["name"]
            made.append(name)
            jobs[name] = (decision.create, now)
            running = [each for each, (_, began) in jobs.items() if began + timedelta(seconds=takes) > now]
            assert policy == "Allow" or running in ([name], []), "never two at once"
        status = decision.status
        for entry in status.get("ledger", []):
            entries[entry["due"], entry["outcome"]] = entry
        again = plan.decide(cronjob(status, **spec), [], now)
        assert again.create is None, "looking again starts nothing"
    assert len(made) == len(set(made))
    due = [meta.format_time(each) for each in cron.latest("*/10 * * * *", BORN, now, most=40)]
    assert set(due) <= {when for when, _ in entries}
    for when, outcomes in Counter(when for when, _ in entries).items():
        assert outcomes == 1 or {outcome for each, outcome in entries if each == when} <= {
            "missed",
            "ran",
            "replaced",
            "skipped",
        }
    ran = {entry["job"] for (_, outcome), entry in entries.items() if outcome in ("ran", "replaced")}
    assert ran == set(made)
