"""Taking away everything that an instance's agent made on this host: containers, network, mounts, cgroups.

Images stay in the home, so that the next start is quick; logs and volumes of pods go with the pods.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from nodeagent import host, removal
from nodeagent.errors import AgentError
from nodeagent.runtime import cgroups
from nodeagent.settings import Settings

log = logging.getLogger(__name__)

CGROUP_SECONDS = 5.0


async def remove(settings: Settings) -> list[str]:
    """What could not be removed, in sentences; empty when nothing of the instance is left."""
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    facilities = host.real(settings)
    troubles: list[str] = []
    running, exits = await facilities.runtime.adopt()
    for container_id in [*(one.container_id for one in running), *(end.container_id for end in exits)]:
        try:
            await facilities.runtime.delete(container_id)
        except (AgentError, OSError) as error:
            troubles.append(f"container {container_id}: {error}")
    for what, removing in (
        ("network", facilities.network.remove_everything()),  # type: ignore[attr-defined]
        ("volumes", facilities.volumes.collect(set())),
        ("root file systems", facilities.images.collect(set())),
    ):
        try:
            await removing
        except (AgentError, OSError) as error:
            troubles.append(f"{what}: {error}")
    await facilities.runtime.close()  # type: ignore[attr-defined]
    await facilities.images.close()  # type: ignore[attr-defined]
    troubles += _remove_files(settings)
    return troubles + _remove_cgroups(settings)


def _remove_files(settings: Settings) -> list[str]:
    troubles = []
    for directory in (
        settings.run_dir,
        settings.home / "pods",
        settings.home / "network",
        settings.home / "checkpoint",
    ):
        try:
            removal.unmount_below(directory.absolute())
            removal.remove_tree(directory.absolute())
        except (AgentError, OSError) as error:
            troubles.append(f"{directory}: {error}")
    return troubles


def _remove_cgroups(settings: Settings) -> list[str]:
    """Innermost first; processes that were killed a moment ago may still hold theirs."""
    troubles = []
    for root in cgroups.detect().roots:
        top = root / settings.cgroup_parent
        deadline = time.monotonic() + CGROUP_SECONDS
        while (trouble := _remove_tree(top)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if trouble:
            troubles.append(trouble)
    return troubles


def _remove_tree(top: Path) -> str:
    if not top.is_dir():
        return ""
    try:
        for directory in sorted((path for path in top.rglob("*") if path.is_dir()), key=lambda p: -len(p.parts)):
            directory.rmdir()
        top.rmdir()
    except OSError as error:
        return f"cgroup {error.filename}: {error.strerror}"
    return ""
