"""What a node tells of its images: names each time they change, documents once."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeagent.facilities import ImageConfig
from nodeagent.images import told
from nodeagent.images.disk.state import ImageRecord, ReferenceRecord, State
from nodeagent.images.told import Teller

ONE, TWO, MANIFEST = (f"sha256:{letter * 64}" for letter in "12f")


def state(**names: str) -> State:
    images = {each: ImageRecord(MANIFEST, ImageConfig(), (), 0, 0.0) for each in names.values()}
    return State(
        {f"docker.io/library/{name}:1": ReferenceRecord(each, MANIFEST) for name, each in names.items()}, images
    )


class Node:
    def __init__(self, directory: Path, now: State) -> None:
        self.directory, self.now = directory, now
        self.teller = Teller(lambda: self.now, lambda digest: directory / digest[7:])

    def holds(self, digest: str, text: str) -> None:
        (self.directory / digest[7:]).write_text(text)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path, state(one=ONE))
    for digest in (ONE, TWO, MANIFEST):
        made.holds(digest, f"document {digest[7]}")
    return made


def test_documents_come_once_and_names_when_they_change(node: Node) -> None:
    first = node.teller.news()
    assert first is not None
    [image] = first.images
    assert (image.references, image.digests) == (["docker.io/library/one:1"], [f"docker.io/library/one@{MANIFEST}"])
    assert (image.config, image.manifest) == ("document 1", "document f")
    assert node.teller.news() is None
    node.now = state(one=ONE, two=TWO)
    second = node.teller.news()
    assert second is not None
    assert [each.config for each in second.images] == ["", "document 2"]
    node.now = state(two=TWO)
    third = node.teller.news()
    assert third is not None
    assert [(each.id, each.config) for each in third.images] == [(TWO, "")]


def test_an_image_that_comes_back_is_described_again(node: Node) -> None:
    node.teller.news()
    node.now = state()
    node.teller.news()
    node.now = state(one=ONE)
    again = node.teller.news()
    assert again is not None
    assert again.images[0].config == "document 1"


def test_much_comes_in_several_messages(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MOST_BYTES", 25)
    node.now = state(one=ONE, two=TWO)
    messages = [node.teller.news() for _ in range(3)]
    assert [[each.config for each in message.images] if message else None for message in messages] == [
        ["document 1", ""],
        ["", "document 2"],
        None,
    ]


def test_what_cannot_be_read_is_left_out(node: Node) -> None:
    (node.directory / ONE[7:]).write_bytes(b"\xff\xfe")
    (node.directory / MANIFEST[7:]).unlink()
    message = node.teller.news()
    assert message is not None
    assert (message.images[0].config, message.images[0].manifest) == ("", "")
