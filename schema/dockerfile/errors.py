"""What is wrong with a Dockerfile: a line and a reason."""

from __future__ import annotations


class DockerfileError(ValueError):
    """``line`` counts from 1. The text does not repeat it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason

    def located(self, name: str = "Dockerfile") -> str:
        return f"{name}:{self.line}: {self.reason}"
