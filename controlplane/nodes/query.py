"""The queries of log, exec, attach and port-forward, as Kubernetes' clients write them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from controlplane.nodes.errors import Refused
from schema.session import ExecOptions, LogOptions


class Query:
    """A parsed query string. Of a repeated field the first counts, as in Go."""

    def __init__(self, text: str) -> None:
        self._values = parse_qs(text, keep_blank_values=True, max_num_fields=1000)

    def text(self, name: str) -> str:
        return self._values.get(name, [""])[0]

    def texts(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def flag(self, name: str) -> bool:
        """Absent, ``0`` and ``false`` are false; everything else is true, the empty string too."""
        values = self._values.get(name)
        return values is not None and values[0].lower() not in {"0", "false"}

    def number(self, name: str, *, least: int) -> int | None:
        text = self.text(name)
        if not text:
            return None
        try:
            number = int(text)
        except ValueError:
            raise Refused(400, f"{name}: {text!r} is not a whole number") from None
        if number < least:
            why = "must be greater than or equal to 0" if least == 0 else f"must be greater than or equal to {least}"
            raise _invalid(name, f"Invalid value: {number}: {why}")
        return number


def log_options(query: Query, *, now: datetime) -> LogOptions:
    """Raises `Refused`."""
    since_seconds = query.number("sinceSeconds", least=1)
    since_time = _time(query.text("sinceTime"))
    if since_seconds is not None and since_time is not None:
        raise _invalid("sinceSeconds", "at most one of `sinceTime` or `sinceSeconds` may be specified")
    if since_seconds is not None:
        try:
            since_time = now - timedelta(seconds=since_seconds)
        except OverflowError:
            since_time = None  # since before the calendar: everything
    return LogOptions(
        follow=query.flag("follow"),
        previous=query.flag("previous"),
        timestamps=query.flag("timestamps"),
        tail_lines=query.number("tailLines", least=0),
        limit_bytes=query.number("limitBytes", least=1),
        since_time=since_time,
    )


def exec_options(query: Query, *, needs_command: bool) -> ExecOptions:
    """Raises `Refused`. On a terminal there is one output: standard error is part of it."""
    command = query.texts("command") if needs_command else []
    if needs_command and not any(command):
        raise Refused(400, "you must specify at least one command for the container")
    tty = query.flag("tty")
    options = ExecOptions(
        command=command,
        stdin=query.flag("stdin"),
        stdout=query.flag("stdout"),
        stderr=query.flag("stderr") and not tty,
        tty=tty,
    )
    if not (options.stdin or options.stdout or options.stderr):
        raise Refused(400, "you must specify at least 1 of stdin, stdout, stderr")
    return options


def ports(query: Query) -> list[int]:
    """``ports=80,82`` or ``ports=80&ports=82``; at least one. Raises `Refused`."""
    words = [word for text in query.texts("ports") for word in text.split(",")]
    try:
        found = [int(word) for word in words]
    except ValueError:
        raise Refused(400, f"ports: {','.join(words)!r} is not a list of port numbers") from None
    if not found or not all(0 < port < 65536 for port in found):
        raise Refused(400, "query parameter ports is required: one or more numbers from 1 to 65535")
    return found


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"sinceTime: {text!r} is not an RFC 3339 time") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _invalid(name: str, why: str) -> Refused:
    details = {"kind": "PodLogOptions", "causes": [{"reason": "FieldValueInvalid", "message": why, "field": name}]}
    return Refused(422, f'PodLogOptions "" is invalid: {name}: {why}', details=details)
