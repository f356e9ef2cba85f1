"""Which process runs which file when there are several (`pytest -n`).

A file's tests stay together, as they share what they start; and so do files that share a cluster. What takes longest begins
first, so that at the end nobody waits for anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

ORDER = ("tests/browser/", "tests/cluster/", "tests/agent/", "tests/api/", "tests/")
"""Folders, the dearest first."""
BROWSER = "tests/browser/"
SHARING = {
    "cluster": ("agent_away", "images_lab", "lab", "lab_in_and_out", "names", "pod_network", "services"),
    "instance": (
        *(
            "batch",
            "debug",
            "examples",
            "main_job",
            "postgres",
            "registry",
            "rollouts",
            "statefulset",
            "survival",
            "usage",
        ),
        *("volumes", "zero_drop"),
    ),
}
"""By the fixture of tests/cluster/conftest.py that they share: its tests."""
UNITS = {f"tests/cluster/test_{name}.py": fixture for fixture, names in SHARING.items() for name in names}


class DearestFirst(LoadFileScheduling):
    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # by the number of tests, which says little
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return BROWSER if file.startswith(BROWSER) else UNITS.get(file, file)


def arranged(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Folder by folder, and in it those last that share a cluster, which is there until the folder is left."""
    return sorted(items, key=lambda item: (_folder(item.nodeid), UNITS.get(item.nodeid.partition("::")[0], "")))


def _folder(nodeid: str) -> int:
    return next((at for at, folder in enumerate(ORDER) if nodeid.startswith(folder)), len(ORDER))
