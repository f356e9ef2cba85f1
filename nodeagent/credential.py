"""The node's own credential: a file that is read anew when it changes, and renewed at half of its life.

A plain file with nothing but a token (``--token-file``) works as well; whoever made it renews it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nodeagent import config
from schema import meta


@dataclass(frozen=True)
class Content:
    token: str
    issued: datetime | None = None
    expires: datetime | None = None

    @property
    def renew_at(self) -> datetime | None:
        """Half-way, so that a control plane may be away for the other half. None: it does not end."""
        if self.issued is None or self.expires is None:
            return None
        return self.issued + (self.expires - self.issued) / 2

    def encode(self) -> str:
        times = {"issued": self.issued, "expires": self.expires}
        fields = {"token": self.token, **{name: meta.format_time(at) for name, at in times.items() if at is not None}}
        return json.dumps(fields) + "\n"


def decode(text: str) -> Content:
    try:
        fields = json.loads(text)
        issued, expires = (meta.parse_time(fields[name]) if name in fields else None for name in ("issued", "expires"))
        return Content(str(fields["token"]), issued, expires)
    except (ValueError, KeyError, TypeError):
        return Content(text.strip())


class Credential:
    def __init__(self, path: Path | None = None, token: str = "") -> None:
        """A file, or a token that was given."""
        self._path = path
        self._content = Content(token)
        self._seen: tuple[int, int, int] | None = None

    @property
    def content(self) -> Content:
        if self._path is not None:
            try:
                status = self._path.stat()
                seen = (status.st_mtime_ns, status.st_ino, status.st_size)
                if seen != self._seen:
                    self._content, self._seen = decode(self._path.read_text()), seen
            except OSError:
                pass  # what was read last is still the best there is
        return self._content

    @property
    def token(self) -> str:
        return self.content.token

    @property
    def renewable(self) -> bool:
        return self._path is not None and self.content.renew_at is not None

    def replace(self, token: str, expires: str) -> None:
        assert self._path is not None  # noqa: S101
        config.write_private(self._path, issued_now(token, expires).encode())


def issued_now(token: str, expires: str) -> Content:
    return Content(token, datetime.now(UTC), meta.parse_time(expires))
