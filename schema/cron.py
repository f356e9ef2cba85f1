"""Cron schedules: five fields or a macro, in a time zone; or ``@every 1h30m``, counted from a given moment.

Parsed and stepped by cronsim, which follows Debian's cron over changes of the clock: what is due at a set hour runs once, in the
hour that is left out right after it, in the hour that comes twice the first time; what is due every so often (``*`` in
minute or hour) goes by the clock on the wall, through the hour that comes twice both times.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from cronsim import CronSim, CronSimError

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SHORTEST = timedelta(minutes=1)
"""Between two times due: jobs are named by the minute."""
_EVERY = re.compile(r"@every\s+((?:[0-9]+(?:\.[0-9]+)?(?:h|m|s))+)", re.ASCII | re.IGNORECASE)
_PART = re.compile(r"([0-9.]+)([hms])")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST_SECONDS = 366 * 86400.0
_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_FIELD = re.compile(r"[0-9A-Za-z*/,?-]+", re.ASCII)


class ScheduleError(ValueError):
    """The text is no schedule; the message says why."""


def _fields(text: str) -> list[str]:
    written = MACROS.get(text.strip().lower(), text)
    if written.strip().startswith("@"):
        raise ScheduleError(f"{text!r} is none of {', '.join(sorted(MACROS))}")
    if "TZ=" in written:
        raise ScheduleError("cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    fields = written.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleError(f"expected exactly 5 fields ({', '.join(_FIELDS)}), found {len(fields)}: {text!r}")
    for name, field in zip(_FIELDS, fields, strict=True):
        # cronsim knows L, W and #, which Kubernetes' cron does not.
        if not _FIELD.fullmatch(field) or (name.startswith("day") and re.search(r"(?i)\bL|[0-9]L|LW", field)):
            raise ScheduleError(f"cannot read the {name}: {field!r}")
    return [field.replace("?", "*") for field in fields]


@lru_cache(maxsize=1024)
def period(text: str) -> timedelta | None:
    """Of ``@every 1h30m``, in whole seconds; None for a schedule of another kind. Raises `ScheduleError`."""
    if not text.strip().lower().startswith("@every"):
        return None
    found = _EVERY.fullmatch(text.strip())
    if found is None:
        raise ScheduleError(f"expected a duration such as 1h30m after @every: {text!r}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(found[1].lower()))
    if not SHORTEST.total_seconds() <= seconds <= _LONGEST_SECONDS:
        raise ScheduleError(f"the duration must be at least a minute, and at most 366 days: {text!r}")
    return timedelta(seconds=int(seconds))


def check(text: str) -> None:
    """Raises `ScheduleError`."""
    if period(text) is None:
        expression(text)


@lru_cache(maxsize=1024)
def expression(text: str) -> str:
    """Five fields, as cronsim reads them. Raises `ScheduleError`."""
    fields = " ".join(_fields(text))
    try:
        simulated = CronSim(fields, datetime(2026, 1, 1, tzinfo=UTC))
        next(simulated)
    except CronSimError as error:
        raise ScheduleError(f"{str(error).lower()}: {text!r}") from None
    except StopIteration:
        raise ScheduleError(f"it never falls due: {text!r}") from None
    return fields


def zone(name: str | None) -> tzinfo:
    """Raises `ScheduleError` for one that is not known."""
    if name is None:
        return UTC
    if not name or name.lower() == "local":
        raise ScheduleError("must be the name of a time zone, such as Europe/Berlin")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ScheduleError(f"unknown time zone {name}") from None


def times(text: str, after: datetime, time_zone: str | None = None) -> Iterator[datetime]:
    """When it falls due after a moment, in UTC, ascending without end (fifty years at least)."""
    for moment in CronSim(expression(text), after.astimezone(zone(time_zone))):
        yield moment.astimezone(UTC)


def following(text: str, since: datetime, after: datetime, time_zone: str | None = None) -> datetime | None:
    """When it next falls due after a moment; ``since`` is what @every counts from."""
    if (step := period(text)) is not None:
        return since + ((after - since) // step + 1) * step
    return next(times(text, after, time_zone), None)


def latest(
    text: str, since: datetime, until: datetime, time_zone: str | None = None, *, most: int = 51
) -> list[datetime]:
    """When it fell due after ``since`` and not after ``until``, in UTC, ascending; the latest ``most`` of these. Costs no more
    however long ago ``since`` is, which is also what @every counts from."""
    if (step := period(text)) is not None:
        number = (until - since) // step
        return [since + each * step for each in range(max(number - most, 0) + 1, number + 1)]
    found: list[datetime] = []
    start = until.astimezone(zone(time_zone)).replace(microsecond=0) + timedelta(seconds=1)
    for moment in CronSim(expression(text), start, reverse=True):
        due = moment.astimezone(UTC)
        if due <= since or len(found) >= most:
            break
        if due <= until:
            found.append(due)
    return sorted(found)
