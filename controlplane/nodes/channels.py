"""The channel protocols of exec and attach: ``v5.channel.k8s.io`` as agents speak it, and what older clients need. Pure.

Byte 0 of each message is the channel, the rest is payload. v4 knows no closing of a single channel: standard input ends
with the connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from controlplane.nodes.pipe import Frame

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


def choose(offered: Sequence[str]) -> str | None:
    """The best that we speak of what the client offers."""
    return next((protocol for protocol in (V5, V4) if protocol in offered), None)


class Translator:
    """One stream's frames on their way; remembers whether its Status has passed."""

    def __init__(self, protocol: str, *, stdin: bool, tty: bool) -> None:
        self._v5 = protocol == V5
        self._allowed = {STDIN, CLOSE} if stdin else set()
        if tty:
            self._allowed.add(RESIZE)
        self.finished = False

    def up(self, frame: Frame) -> bytes | None:
        """From the client to the agent: binary, and only what this stream has."""
        # Python's client sends text as text frames; the channel's number is its first character.
        data = frame.encode() if isinstance(frame, str) else frame
        if not data or data[0] not in self._allowed or (data[0] == CLOSE and not self._v5):
            return None
        return data if len(data) > 1 else None

    def down(self, frame: Frame) -> bytes | None:
        """From the agent to the client: binary (a text frame makes kubectl give up), nothing after the Status."""
        data = frame.encode() if isinstance(frame, str) else frame
        if len(data) < 2 or self.finished or (data[0] == CLOSE and not self._v5):
            return None
        self.finished = data[0] == STATUS
        return data


def failure(message: str) -> bytes:
    """A status frame for a stream that broke: clients print the message and exit with 1."""
    status = {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}
    return bytes([STATUS]) + orjson.dumps(status)
