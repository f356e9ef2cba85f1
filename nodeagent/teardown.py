"""Taking everything of an instance off the host: ``python -m nodeagent remove``, used by ``manage.py down``.

Works from what is on disk and in the kernel, so it also cleans up after an agent that died. Images stay in the home, so
that the next start is quick, and so does the data of claims; logs and other volumes go with their pods.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path

from nodeagent import removal
from nodeagent.errors import AgentError
from nodeagent.images.settings import from_environment
from nodeagent.images.store import ImageStore
from nodeagent.ingress import consumer
from nodeagent.network.dns import consumer as dns
from nodeagent.network.pods import BridgeNetwork
from nodeagent.runtime import cgroups, preparation
from nodeagent.runtime.oci import OciRuntime
from nodeagent.settings import Settings

log = logging.getLogger(__name__)

CGROUP_SECONDS = 5.0
"""Processes that were killed a moment ago may still hold their cgroups."""


async def remove(settings: Settings) -> None:
    """Stop and remove every container, namespace, device, rule, mount and cgroup. Raises `AgentError` for what stays."""
    home, run_dir = settings.home.absolute(), settings.run_dir.absolute()
    await _remove_containers(settings)
    await consumer.remove(settings)
    await dns.link(settings).remove()
    await _remove_roots(home)
    await BridgeNetwork(settings).remove_everything()
    preparation.restore(run_dir)
    for directory in (run_dir, home):
        await asyncio.to_thread(removal.unmount_below, directory)
    await asyncio.to_thread(_remove_cgroups, settings.cgroup_parent)
    builds = (home / "builds" / "roots", home / "builds" / "work")
    for directory in (run_dir, *builds, home / "pods", home / "network", home / "checkpoint"):
        await asyncio.to_thread(removal.remove_tree, directory)


async def _remove_roots(home: Path) -> None:
    """What containers wrote over their images."""
    images = ImageStore(home / "images", from_environment())
    try:
        await images.collect(set())
    finally:
        await images.close()


async def _remove_containers(settings: Settings) -> None:
    try:
        runtime = OciRuntime(settings)
    except AgentError as error:
        log.warning("%s: containers are killed by their cgroups only", error)
        return
    running, exits = await runtime.adopt()
    try:
        names = [one.container_id for one in running] + [one.container_id for one in exits]
        await asyncio.gather(*(runtime.delete(name) for name in names))
    finally:
        await runtime.close()


def _remove_cgroups(parent: str) -> None:
    """With whatever process is left in them: one whose container's record was lost."""
    hierarchy = cgroups.detect()
    for pid in hierarchy.processes(f"/{parent}") - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    hierarchy.remove(f"/{parent}", patience_seconds=CGROUP_SECONDS)
