"""What keeps a build from being sent. The text is for the one who typed the command."""

from __future__ import annotations


class SendError(Exception):
    pass
