"""What the control plane is told of this node's images: their names, and once in a session the documents that describe them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nodeagent.images.disk.state import State
from schema.session import ImageReport, Images

MOST_BYTES = 2 * 1024 * 1024
"""Of documents in one message. What is left comes with the next."""
LARGEST_DOCUMENT = 1024 * 1024


class Teller:
    """For one session."""

    def __init__(self, read: Callable[[], State], content: Callable[[str], Path]) -> None:
        self._read = read
        self._content = content
        self._described: set[str] = set()
        self._said: list[ImageReport] | None = None

    def news(self) -> Images | None:
        """None where nothing is new. Reads files: for a thread."""
        state = self._read()
        plain = [_plain(state, image_id) for image_id in sorted(state.images)]
        plain = [each for each in plain if each.references or each.digests]
        here = {each.id for each in plain}
        self._described &= here
        lacking = [each for each in plain if each.id not in self._described]
        if not lacking and plain == self._said:
            return None
        self._said = plain
        left = MOST_BYTES
        told: dict[str, ImageReport] = {}
        for each in lacking:
            described = self._describe(state, each)
            size = len(described.config) + len(described.manifest)
            if told and size > left:
                break
            left -= size
            told[each.id] = described
            self._described.add(each.id)
        return Images(images=[told.get(each.id, each) for each in plain])

    def _describe(self, state: State, plain: ImageReport) -> ImageReport:
        manifest = state.images[plain.id].manifest
        return plain.model_copy(
            update={"config": self._text(plain.id), "manifest": self._text(manifest) if manifest else ""}
        )

    def _text(self, digest: str) -> str:
        """Empty where it is not here (an image of before documents were kept), or no text."""
        try:
            path = self._content(digest)
            if path.stat().st_size > LARGEST_DOCUMENT:
                return ""
            return path.read_bytes().decode()
        except (OSError, ValueError):
            return ""


def _plain(state: State, image_id: str) -> ImageReport:
    names = state.names_of(image_id)
    digests = {name for name in names if "@" in name}
    for name in names:
        record = state.references[name]
        if record.digest and "@" not in name:
            digests.add(f"{_repository(name)}@{record.digest}")
    return ImageReport(id=image_id, references=[name for name in names if "@" not in name], digests=sorted(digests))


def _repository(name: str) -> str:
    head, _, tag = name.rpartition(":")
    return head if head and "/" not in tag else name
