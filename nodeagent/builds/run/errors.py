"""Why there is no image: a word, a sentence, and the Dockerfile's line where it is about one."""

from __future__ import annotations


class Failure(Exception):
    """Final: building again would end the same, unless somebody changes something."""

    def __init__(self, reason: str, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.reason, self.message, self.line = reason, message, line

    def wire(self) -> dict[str, object]:
        found: dict[str, object] = {"reason": self.reason, "message": self.message[:1500]}
        return found | ({"line": self.line} if self.line else {})


class Passing(Exception):
    """The network's fault: it may be tried again."""
