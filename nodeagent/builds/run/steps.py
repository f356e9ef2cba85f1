"""What buildah prints while it builds, as steps: names and lines as the user wrote them, what was cached, times, sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nodeagent.builds.run.status import Status, Step
from schema.dockerfile.parser import Instruction
from schema.dockerfile.stages import Stage
from schema.dockerfile.translate import Line

_STEP = re.compile(r"(?:\[(\d+)/(\d+)\] )?STEP (\d+)/(\d+): (.*)")
_CACHED = re.compile(r"--> Using cache ([0-9a-f]{12,64})")
_DONE = re.compile(r"--> ([0-9a-f]{8,64})")
_QUIET = re.compile(r"(?:\[\d+/\d+\] )?COMMIT( .*)?|Successfully tagged .*|--> Pushing cache.*")
_SAID_ELSEWHERE = re.compile(r"Error: building at STEP .*|\[Warning\] one or more build args were not consumed: .*")
_RESULT = re.compile(r"[0-9a-f]{64}")
_SHOWN_DIGITS = 1024


class Steps:
    """Feed it the lines in order. What is not buildah's own is a step's output, and is passed on."""

    def __init__(
        self,
        status: Status,
        stages: Sequence[Stage],
        lines: Sequence[Sequence[Line]],
        layer_size: Callable[[str], int],
        hide: Sequence[str] = (),
    ) -> None:
        self._status, self._stages, self._lines = status, stages, lines
        self._layer_size = layer_size
        self._hide = [secret for secret in hide if len(secret) >= 4]
        self._next = 0
        self._cached = False
        self._open = False
        self.images: list[str] = []
        """Ids of what the steps made or took from the cache; the last is the result."""
        self.image = ""
        """Id of the result."""
        self.tail: list[str] = []
        """The end of the output, for the error."""

    def take(self, line: str) -> None:
        self.tail = [*self.tail[-40:], line]
        if (found := _STEP.fullmatch(line)) is not None:
            self._begin(found)
        elif (found := _CACHED.fullmatch(line)) is not None:
            self._cached = True
            self.images.append(found[1])
            print("CACHED", flush=True)
        elif (found := _DONE.fullmatch(line)) is not None:
            self._end(found[1])
        elif _RESULT.fullmatch(line) and not self._open:
            self.image = line
        elif not _QUIET.fullmatch(line) and not _SAID_ELSEWHERE.fullmatch(line):
            print(self._clean(line), flush=True)

    def _clean(self, line: str) -> str:
        for secret in self._hide:
            line = line.replace(secret, "***")
        return line

    def _begin(self, found: re.Match[str]) -> None:
        if self._open:  # FROM has no end of its own
            self._status.end_step("Cached" if self._cached else "Done")
        number, step, total, text = int(found[1] or 1), int(found[3]), int(found[4]), found[5]
        stage = self._stages[number - 1] if number <= len(self._stages) else None
        if step == 1:
            self._next = 0
        instruction = self._origin(stage, text) if stage is not None else None
        shown = instruction.shown if instruction else text
        name = f"[{_name(stage, len(self._stages))}{step}/{total}] {shown}"
        print(self._clean(name), flush=True)
        self._status.begin_step(Step(self._clean(name)[:_SHOWN_DIGITS], instruction.line if instruction else 0))
        self._cached, self._open = False, True

    def _origin(self, stage: Stage, text: str) -> Instruction | None:
        """The instruction of the Dockerfile; None for one that an image's ONBUILD brought along."""
        lines = self._lines[stage.number]
        for number in range(self._next, len(lines)):
            line = lines[number]
            if line.text.split() == text.split() or (number == 0 and text.startswith("FROM ")):
                self._next = number + 1
                return line.origin
        return None

    def _end(self, image: str) -> None:
        if not self._open:
            return
        size = self._layer_size(image) if not self._cached else 0
        self.images.append(image)
        self._status.end_step("Cached" if self._cached else "Done", size)
        self._open = False

    def close(self, *, failed: bool) -> None:
        if self._open:
            self._status.end_step("Failed" if failed else "Cached" if self._cached else "Done")
            self._open = False

    @property
    def current(self) -> Step | None:
        return self._status.steps[-1] if self._status.steps else None


def _name(stage: Stage | None, stages: int) -> str:
    if stage is None or stages < 2:
        return ""
    return f"{stage.name or f'stage-{stage.number}'} "
