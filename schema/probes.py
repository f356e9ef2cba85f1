"""How a try to connect came out, in the words of the ``exposure`` documents. Pure."""

from __future__ import annotations

import errno

from schema.base import Wire

DEADLINE_SECONDS = 1.0
"""For one connection."""
_REASONS = {
    errno.ECONNREFUSED: ("Refused", "nothing listens there, or no endpoint is ready"),
    errno.EHOSTUNREACH: ("Unreachable", "there is no way to the host"),
    errno.ENETUNREACH: ("Unreachable", "there is no route"),
}


def answers(seconds: float) -> Wire:
    return {"result": "Answers", "milliseconds": round(seconds * 1000, 2)}


def failed(error: OSError) -> Wire:
    if isinstance(error, TimeoutError):
        return {"result": "TimedOut", "reason": f"no answer within {DEADLINE_SECONDS:g} s"}
    result, reason = _REASONS.get(error.errno or 0, ("Failed", error.strerror or str(error)))
    return {"result": result, "reason": reason}
