"""Schedules: what can be read, when it falls due, and what a change of the clock does to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schema import cron

START = datetime(2026, 1, 1, tzinfo=UTC)


def due(text: str, after: datetime, number: int = 3, zone: str | None = None) -> list[str]:
    return [f"{each:%m-%d %H:%M}" for each in islice(cron.times(text, after, zone), number)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/15 * * * *", ["01-01 00:15", "01-01 00:30", "01-01 00:45"]),
        ("0 9-17/4 * * *", ["01-01 09:00", "01-01 13:00", "01-01 17:00"]),
        ("30 6 * JAN,jul MON-FRI", ["01-01 06:30", "01-02 06:30", "01-05 06:30"]),
        ("0 0 1,15 * *", ["01-15 00:00", "02-01 00:00", "02-15 00:00"]),
        ("0 0 13 * FRI", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        ("0 0 ? * 7", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00"]),
        ("@hourly", ["01-01 01:00", "01-01 02:00", "01-01 03:00"]),
        ("@Daily", ["01-02 00:00", "01-03 00:00", "01-04 00:00"]),
        ("@weekly", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
        ("@monthly", ["02-01 00:00", "03-01 00:00", "04-01 00:00"]),
        ("@yearly", ["01-01 00:00"]),
    ],
)
def test_when_it_falls_due(text: str, expected: list[str]) -> None:
    assert due(text, START, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"], id="in the hour left out: right after it"
        ),
        pytest.param("30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"], id="in the hour twice: once"),
        pytest.param(
            "*/30 2 * * *",
            "2026-10-24T22:00",
            ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"],
            id="by the clock on the wall: both times",
        ),
        pytest.param(
            "0 * * * *",
            "2026-03-29T00:00",
            ["03-29 01:00", "03-29 02:00", "03-29 03:00"],
            id="every hour: every hour",
        ),
    ],
)
def test_when_clocks_change(text: str, after: str, expected: list[str]) -> None:
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert due(text, start, len(expected), "Europe/Berlin") == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
     "5-1 * * * *", "0 0 30 2 *", "0 0 L * *", "0 0 LW * *", "0 0 * * 5L", "0 0 * * 1#2", "@often", "@every",
     "@every 5", "@every 10s", "@every 1d", "@every -5m", "@every 9000h", "@every 5m x",
     "CRON_TZ=UTC 0 0 * * *", "1,,2 * * * *", "* * * * *;rm"],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(cron.ScheduleError):
        cron.check(text)


@pytest.mark.parametrize("name", ["", "Local", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "a\0b"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(cron.ScheduleError):
        cron.zone(name)


def test_a_zone_that_the_system_knows_is_found() -> None:
    assert cron.zone(None) is UTC
    assert due("0 9 * * *", START, 1, "Asia/Kolkata") == ["01-01 03:30"]


schedules = st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 */5 * * *", "0 0 * * SUN", "15 3 1 * *"])
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


@settings(max_examples=60, deadline=None)
@given(schedules, moments, st.timedeltas(timedelta(0), timedelta(hours=8)), st.sampled_from(["UTC", "Europe/Berlin"]))
def test_backwards_it_finds_what_it_finds_forwards(text: str, since: datetime, span: timedelta, zone: str) -> None:
    until = since + span
    forwards = []
    for moment in cron.times(text, since, zone):
        if moment > until:
            break
        forwards.append(moment)
    assert cron.latest(text, since, until, zone, most=51) == forwards[-51:]


def test_a_moment_itself_is_due_at_it_and_not_after_it() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert cron.latest("0 12 * * *", noon - timedelta(days=1), noon) == [noon]
    assert cron.latest("0 12 * * *", noon, noon + timedelta(seconds=1)) == []


@pytest.mark.parametrize(
    ("text", "minutes"), [("@every 90m", 90), ("@every 1h30m", 90), ("@Every 1.5h", 90), ("@every 60s", 1)]
)
def test_a_period_counts_from_its_moment(text: str, minutes: int) -> None:
    cron.check(text)
    since, step = START + timedelta(seconds=7), timedelta(minutes=minutes)
    assert cron.latest(text, since, since + 3 * step) == [since + step, since + 2 * step, since + 3 * step]
    assert cron.latest(text, since, since + 1000 * step, most=2) == [since + 999 * step, since + 1000 * step]
    assert cron.latest(text, since, since) == []
    assert cron.following(text, since, since) == since + step
    assert cron.following(text, since, since + step) == since + 2 * step


def test_a_year_of_minutes_costs_no_more_than_the_entries_kept() -> None:
    found = cron.latest("* * * * *", START - timedelta(days=3650), START)
    assert (len(found), found[-1]) == (51, START)
