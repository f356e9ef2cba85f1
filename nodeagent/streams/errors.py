"""What ends a stream before it has begun.

AgentError
└── StreamRefused     carries the Kubernetes Status that the client gets
"""

from __future__ import annotations

from nodeagent.errors import AgentError
from schema.base import Wire

_REASONS = {400: "BadRequest", 404: "NotFound", 500: "InternalError"}


class StreamRefused(AgentError):
    reason = "StreamRefused"

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def status(self) -> Wire:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": _REASONS.get(self.code, "InternalError"),
            "code": self.code,
        }
