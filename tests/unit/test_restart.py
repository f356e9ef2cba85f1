from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.pods import restart
from nodeagent.pods.state import ContainerState, Phase, Termination

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ended(code: int = 1, *, ran: timedelta = timedelta(seconds=1)) -> Termination:
    return Termination(code, "Error", finished_at=NOW, started_at=NOW - ran)


@pytest.mark.parametrize(
    ("policy", "code", "wanted"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 137, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_policy_decides_who_runs_again(policy, code, wanted):
    assert restart.wanted(policy, code) is wanted


@pytest.mark.parametrize(
    ("pod_policy", "container_policy", "expected"),
    [
        ("Always", None, "OnFailure"),
        ("OnFailure", None, "OnFailure"),
        ("Never", None, "Never"),
        ("Never", "Always", "Always"),
    ],
)
def test_init_containers_run_until_they_succeed_and_sidecars_always(pod_policy, container_policy, expected):
    assert restart.init_policy(pod_policy, container_policy) == expected


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (99, 300)])
def test_the_delay_doubles_up_to_five_minutes(failures, seconds):
    assert restart.backoff_seconds(failures) == seconds


@given(st.integers(0, 10_000))
def test_the_delay_never_shrinks(failures):
    assert restart.backoff_seconds(failures) <= restart.backoff_seconds(failures + 1) <= restart.MAX_SECONDS


def test_ten_minutes_of_running_clear_the_record():
    crashed = ContainerState("web", crashes=5)
    assert restart.crashes_after(crashed, ended(ran=timedelta(minutes=9, seconds=59))) == 5
    assert restart.crashes_after(crashed, ended(ran=timedelta(minutes=10))) == 0


def test_an_attempt_that_never_started_clears_nothing():
    crashed = ContainerState("web", crashes=5)
    assert restart.crashes_after(crashed, Termination(128, "ContainerCannotRun", finished_at=NOW)) == 5


def test_the_delay_counts_from_the_end():
    known = ContainerState("web", phase=Phase.TERMINATED, termination=ended(), crashes=2)
    assert restart.due(known) == NOW + timedelta(seconds=20)


@pytest.mark.parametrize(
    ("code", "oom", "reason"), [(0, False, "Completed"), (3, False, "Error"), (137, True, "OOMKilled")]
)
def test_ends_are_called_as_kubernetes_calls_them(code, oom, reason):
    assert restart.exit_reason(code, oom_killed=oom) == reason


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (10, "10s"), (80, "1m20s"), (160, "2m40s"), (300, "5m0s"), (3661, "1h1m1s")]
)
def test_durations_are_written_as_go_writes_them(seconds, text):
    assert restart.go_duration(seconds) == text
