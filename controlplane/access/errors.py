"""What can go wrong between a credential and a permission.

AccessError
├── Unauthenticated      401: no credential, or one that nobody issued
├── TooManyFailures      429: this address has guessed too often of late
├── UnknownUser          a management command names a user that does not exist
├── InvalidName          a user, token or node name that cannot be one
└── JoinRefused          a host may not join; `code` says whether 401, 403 or 409
"""

from __future__ import annotations


class AccessError(Exception):
    """The text may be shown to the person who asked; it never holds a credential."""


class Unauthenticated(AccessError):
    def __init__(self) -> None:
        super().__init__("Unauthorized")


class TooManyFailures(AccessError):
    def __init__(self, retry_seconds: int) -> None:
        super().__init__(f"too many failed attempts from this address; try again in {retry_seconds} s")
        self.retry_seconds = retry_seconds


class UnknownUser(AccessError):
    pass


class InvalidName(AccessError):
    pass


class JoinRefused(AccessError):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
