"""The process namespace that the containers of a pod share, where it says so (``shareProcessNamespace``)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nodeagent.errors import CreateError
from nodeagent.facilities import Sandbox
from nodeagent.pods import identity
from nodeagent.pods.context import Context
from schema.core.pod import Pod


async def hold(pod: Pod, sandbox: Sandbox, context: Context) -> Path | None:
    """The namespace to join, with a process that holds it, which is made where there is none (any more); None for a pod whose
    containers have one each.

    With its holder everything in the namespace has ended. So what is started now is not started beside others. Raises
    `AgentError`.
    """
    if not pod.spec.share_process_namespace:
        return None
    runtime, container_id = context.host.runtime, identity.holder_id(pod.metadata.uid or "")
    process = runtime.process_of(container_id)
    if process is None:
        await runtime.delete(container_id)
        plan = await asyncio.to_thread(
            context.host.hold,
            pod,
            sandbox,
            run_dir=context.settings.run_dir,
            cgroup_parent=context.settings.cgroup_parent,
            pids_limit=context.settings.pids_limit,
        )
        await runtime.create(plan)
        await runtime.start(container_id)
        process = runtime.process_of(container_id)
    if process is None:
        raise CreateError("the process that holds the pod's process namespace ended at once")
    return namespace(process)


def namespace(process: int) -> Path:
    return Path(f"/proc/{process}/ns/pid")


async def release(pod: Pod, context: Context) -> None:
    if pod.spec.share_process_namespace:
        await context.host.runtime.delete(identity.holder_id(pod.metadata.uid or ""))
