"""Taking everything of an instance off the host: ``python -m nodeagent remove``, used by ``manage.py down``.

Works from what is on disk and in the kernel, so it also cleans up after an agent that died. Images and volumes' data
below the home that are no mounts stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal

from nodeagent import removal
from nodeagent.errors import AgentError
from nodeagent.network.pods import BridgeNetwork
from nodeagent.runtime import cgroups, preparation
from nodeagent.runtime.oci import OciRuntime
from nodeagent.settings import Settings
from nodeagent.volumes.pods import HostVolumes

log = logging.getLogger(__name__)


async def remove(settings: Settings) -> None:
    """Stop and remove every container, namespace, device, rule, mount and cgroup. Raises `AgentError` for what stays."""
    await _remove_containers(settings)
    await BridgeNetwork(settings).remove_everything()
    for directory in (settings.run_dir, settings.home):
        await asyncio.to_thread(removal.unmount_below, directory.absolute())
    await HostVolumes(settings).collect(set())
    await asyncio.to_thread(_remove_cgroups, settings.cgroup_parent)
    preparation.restore(settings.run_dir.absolute())
    await asyncio.to_thread(removal.remove_tree, settings.run_dir.absolute())


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
    hierarchy.remove(f"/{parent}")
