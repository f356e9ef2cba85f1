"""Waiting, without the imports of the other tests, which take long here."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(what: str, question: Callable[[], object], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    print(f"waiting: {what}", flush=True)
    while not question():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)
