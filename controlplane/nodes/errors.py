"""What can go wrong between a client, this process and a node.

NodesError
├── Refused           the request cannot be served; becomes a Kubernetes Status (see `status`)
├── StreamClosed      the other end of a stream is gone, or has said all it had to say
├── Disconnected      the peer of a WebSocket is gone
├── BusDown           Redis does not answer; what one process can do alone goes on
└── RegistrationError the node cannot join: its address range is taken, or none is left
    └── CredentialRevoked its credential was revoked, or the Node that it belongs to was deleted
"""

from __future__ import annotations

from dataclasses import dataclass

from schema.base import Wire

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class NodesError(Exception):
    pass


class Refused(NodesError):
    """An HTTP answer in place of a stream. ``code`` is the HTTP status, ``message`` is for the user."""

    def __init__(self, code: int, message: str, *, reason: str = "", details: Wire | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASONS.get(code, "InternalError")
        self.details = details

    @classmethod
    def of(cls, status: Wire) -> Refused:
        """From the Status that an agent answered with; one without a sensible code is a 500."""
        code = status.get("code")
        valid = isinstance(code, int) and 400 <= code < 600
        message = str(status.get("message") or "the node refused the stream")
        return cls(code if valid and isinstance(code, int) else 500, message, reason=str(status.get("reason") or ""))

    def status(self) -> Wire:
        body: Wire = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}


@dataclass(frozen=True)
class Close:
    """How a stream ended, in the words of WebSocket close frames. 1000 is the regular end."""

    code: int = 1000
    reason: str = ""


class StreamClosed(NodesError):
    def __init__(self, close: Close) -> None:
        super().__init__(f"stream closed: {close.code} {close.reason}")
        self.close = close


class Disconnected(NodesError):
    def __init__(self, code: int = 1006) -> None:
        super().__init__(f"disconnected: {code}")
        self.code = code


class BusDown(NodesError):
    pass


class RegistrationError(NodesError):
    pass


class CredentialRevoked(RegistrationError):
    pass
