"""What can go wrong with a context that is sent.

ContextError
├── TooLarge      beyond the limit
├── WrongOffset   a piece that does not follow what is here
├── Busy          somebody else is sending it at this moment
├── Corrupt       what came is not what its sender meant
└── NoRoom        the control plane's disk cannot take it
"""

from __future__ import annotations


class ContextError(Exception):
    pass


class TooLarge(ContextError):
    pass


class WrongOffset(ContextError):
    def __init__(self, message: str, received: int) -> None:
        super().__init__(message)
        self.received = received


class Busy(ContextError):
    pass


class Corrupt(ContextError):
    pass


class NoRoom(ContextError):
    pass
