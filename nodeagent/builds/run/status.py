"""What the build has come to, as the agent reads it: ``out/status.json``, and the last word for the pod's status."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nodeagent.builds.places import WORK
from nodeagent.builds.run.errors import Failure

LAST_WORD = Path("/dev/termination-log")
_LAST_WORD_BYTES = 4096


@dataclass
class Step:
    name: str
    line: int
    state: str = "Running"
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    size_bytes: int = 0

    def wire(self) -> dict[str, Any]:
        started = datetime.fromtimestamp(self.started, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        found = {"name": self.name, "line": self.line, "state": self.state, "startedAt": started}
        return found | {"seconds": round(self.seconds, 3), "sizeBytes": self.size_bytes}


class Status:
    def __init__(self, file: Path = WORK / "out" / "status.json", last_word: Path = LAST_WORD) -> None:
        self._file, self._last_word = file, last_word
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self.sources: list[dict[str, str]] = []
        """What came from elsewhere, with its digest where that is known."""
        self.result: dict[str, Any] = {}

    def warn(self, text: str) -> None:
        print(f"warning: {text}", flush=True)
        self.warnings.append(text[:500])
        self.save()

    def fail(self, failure: Failure) -> None:
        self.result = {"failure": failure.wire()}
        if self.steps and self.steps[-1].state == "Running":
            self.end_step("Failed")

    def begin_step(self, step: Step) -> None:
        self.steps.append(step)
        self.save()

    def end_step(self, state: str, size_bytes: int = 0) -> None:
        step = self.steps[-1]
        step.state, step.size_bytes, step.seconds = state, size_bytes, time.time() - step.started
        self.save()

    def save(self, *, over: bool = False) -> None:
        told = {"steps": [step.wire() for step in self.steps], "warnings": self.warnings[:50], **self.result}
        told |= {"sources": self.sources} if self.sources else {}
        draft = self._file.with_name("status.json.new")
        draft.write_text(json.dumps(told | ({"over": True} if over else {})))
        draft.replace(self._file)

    def finish(self) -> None:
        """The last word fits into a pod's status."""
        self.save(over=True)
        word = {**self.result, "warnings": self.warnings[:3]}
        text = json.dumps(word)
        if len(text.encode()) > _LAST_WORD_BYTES:
            text = json.dumps({name: value for name, value in word.items() if name not in ("warnings", "tags")})
        self._last_word.write_text(text)
