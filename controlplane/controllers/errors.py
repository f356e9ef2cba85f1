"""What a controller's step says instead of returning, and what can go wrong around it.

ControllerError
├── Wait         not yet: look again after so many seconds, or when something changes; ``reason`` is the sentence why
├── Stalled      looking again is useless until somebody changes the object; ``reason`` is the sentence why
│   └── Refused  the cluster does not let it make something now (a quota, a limit): tried again, with growing pauses
└── BrokerAway   Redis cannot be reached; whoever notices goes on without it

A lost race is the store's `Conflict`: the outline reads again and repeats. Anything else that a step raises is a defect:
it is logged with the key and repeated with back-off.
"""

from __future__ import annotations


class ControllerError(Exception):
    pass


class Wait(ControllerError):
    def __init__(self, after: float, reason: str) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds."""
        self.reason = reason


class Stalled(ControllerError):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(Stalled):
    pass


class BrokerAway(ControllerError):
    pass
