"""What is wrong with a patch.

PatchError    400: it cannot be read; 422: it can, but does not fit the object (a failed ``test``, a missing path)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class PatchError(Exception):
    """``status`` is the HTTP code of the answer, ``message`` its text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def malformed(message: str) -> PatchError:
    return PatchError(400, message)


def unfit(message: str) -> PatchError:
    return PatchError(422, message)


@contextmanager
def deep_nesting_refused() -> Iterator[None]:
    """Documents a thousand levels deep are nobody's: refused, instead of an error of ours."""
    try:
        yield
    except RecursionError:
        raise unfit("the patch or what it makes is nested too deeply") from None
