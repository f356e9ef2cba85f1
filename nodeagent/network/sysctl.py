"""Settings of the kernel below /proc/sys, of the calling thread's network namespace. Blocking."""

from __future__ import annotations

import contextlib
from pathlib import Path

from nodeagent.network.errors import NetworkError

ROOT = Path("/proc/sys")


def get(path: str) -> str:
    """Empty where there is no such setting."""
    with contextlib.suppress(OSError):
        return (ROOT / path).read_text().strip()
    return ""


def put(path: str, value: str) -> None:
    """Written only where it is another. What this kernel does not have is left alone. Raises `NetworkError`."""
    file = ROOT / path
    with contextlib.suppress(FileNotFoundError):
        if file.read_text().strip() != value:
            try:
                file.write_text(value)
            except OSError as error:
                raise NetworkError(f"cannot set {path.replace('/', '.')} to {value}: {error.strerror}") from error
