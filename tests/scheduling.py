"""Which process runs which file when there are several (`pytest -n`).

A file's tests stay together, as they share what they start; all of tests/browser does, which shares one cluster and one
browser. What takes longest begins first, so that at the end nobody waits for anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ORDER = ("tests/browser/", "tests/cluster/", "tests/agent/", "tests/api/", "tests/")
"""Folders, the dearest first."""
TOGETHER = "tests/browser/"


class DearestFirst(LoadFileScheduling):
    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says little
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else super()._split_scope(nodeid)


def arranged(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Folder by folder; within each as they were found."""
    return sorted(items, key=lambda item: next(at for at, folder in enumerate(ORDER) if item.nodeid.startswith(folder)))
