"""What an ended container has to say, and the files that are made ready before it starts. Blocking: call in a thread."""

from __future__ import annotations

import os
from pathlib import Path

from nodeagent import removal
from nodeagent.pods import identity
from nodeagent.streams import logfile

MESSAGE_BYTES = 4096
LOG_MESSAGE_BYTES = 2048
LOG_MESSAGE_LINES = 80


def prepare_files(home: Path, pod_uid: str, name: str, attempt: int) -> None:
    """The log's directory, the termination log, and room: of the earlier attempts only the last keeps its log."""
    directory = identity.log_dir(home, pod_uid, name)
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        number = path.name.partition(".")[0]
        if number.isdecimal() and int(number) < attempt - 1:
            path.unlink(missing_ok=True)
    termination = identity.termination_path(home, pod_uid, name, attempt)
    termination.parent.mkdir(parents=True, exist_ok=True)
    if not termination.exists():
        termination.touch()
        termination.chmod(0o666)  # whoever the container runs as may write its last words
    identity.termination_path(home, pod_uid, name, attempt - 2).unlink(missing_ok=True)


def last_words(home: Path, pod_uid: str, name: str, attempt: int, *, from_log: bool) -> str:
    """The termination message; the end of the log where that is empty and ``from_log`` says so."""
    text = _head(identity.termination_path(home, pod_uid, name, attempt))
    if text or not from_log:
        return text
    lines = logfile.tail(identity.log_dir(home, pod_uid, name), attempt, LOG_MESSAGE_LINES)
    return b"".join(line.content for line in lines)[-LOG_MESSAGE_BYTES:].decode(errors="replace")


def _head(path: Path) -> str:
    try:
        # The container owns this file's content, and could have put anything in its place: never wait, never follow.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MESSAGE_BYTES).decode(errors="replace")


def remove_all(home: Path, pod_uid: str) -> None:
    removal.remove_tree(identity.pod_dir(home, pod_uid))
