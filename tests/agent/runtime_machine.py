"""Containers by the real runtime, without an agent: plans of one pod, what they wrote, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodeagent.facilities import ContainerPlan, ExecSession, Exit, ImageConfig, Mount, Sandbox
from nodeagent.runtime import assemble, cgroups
from nodeagent.runtime.oci import OciRuntime
from nodeagent.settings import Settings
from schema.base import Wire
from tests.agent import host
from tests.agent.host import pod
from tests.agent.patience import patience

POD_UID = f"pod-{os.getpid()}"
"""Another in each process that runs tests: conmons are found, and killed, by their containers' names."""


@dataclass
class Machine:
    settings: Settings
    root: Path
    runtime: OciRuntime
    numbers: list[int] = field(default_factory=list)

    def plan(
        self, *args: str, spec: Wire | None = None, mounts: tuple[Mount, ...] = (), pids: int = 200, **container: Any
    ) -> ContainerPlan:
        attempt = len(self.numbers)
        self.numbers.append(attempt)
        wire = {"name": "main", "image": "i", **container}
        the_pod = pod({"containers": [wire], **(spec or {})}, uid=POD_UID)
        container_id = f"{POD_UID}-main-{attempt}"
        return assemble.plan(
            the_pod,
            the_pod.spec.containers[0],
            container_id=container_id,
            attempt=attempt,
            bundle=self.settings.run_dir / "containers" / container_id,
            log=self.settings.home / "logs" / f"{attempt}.log",
            root=self.root,
            image=ImageConfig(),
            args=args,
            environment=["FROM=image"],
            hostname="box",
            sandbox=Sandbox(POD_UID, None, None, None, []),
            mounts=mounts,
            cgroup_parent=self.settings.cgroup_parent,
            pids_limit=pids,
            seccomp_directory=self.settings.home,
        )

    async def start(self, *args: str, **options: Any) -> ContainerPlan:
        plan = self.plan(*args, **options)
        await self.runtime.create(plan)
        await self.runtime.start(plan.container_id)
        return plan

    async def exit(self) -> Exit:
        async with asyncio.timeout(patience(60)):
            async for end in self.runtime.exits():
                return end
        raise AssertionError

    async def run(self, *args: str, **options: Any) -> tuple[int, str]:
        """Exit code and output of a container that ends by itself."""
        plan = await self.start(*args, **options)
        end = await self.exit()
        assert end.container_id == plan.container_id
        text = output(plan)
        await self.runtime.delete(plan.container_id)
        return end.code, text

    def cgroup(self, plan: ContainerPlan) -> str:
        return cgroups.container_path(self.settings.cgroup_parent, POD_UID, plan.container_id)


def directory(controller: str, cgroup: str) -> Path:
    path = cgroups.detect().directory(controller, cgroup)
    assert path is not None
    return path


def usage(cgroup: str) -> cgroups.Usage:
    found = cgroups.detect().usage(cgroup)
    assert found is not None
    return found


def output(plan: ContainerPlan) -> str:
    lines = plan.log.read_text().splitlines()
    return "".join(line.split(" ", 3)[3] + "\n" for line in lines)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


@contextlib.asynccontextmanager
async def machine_with(root: Path, runtime: str = "crun") -> AsyncIterator[Machine]:
    with host.instance(runtime=runtime) as settings:
        engine = OciRuntime(settings)
        engine.start_watching()
        try:
            yield Machine(settings, root, engine)
        finally:
            for bundle in (settings.run_dir / "containers").iterdir():
                await engine.delete(bundle.name)
            await engine.close()


def leftovers(machine: Machine) -> set[str]:
    """What of the pod is left anywhere: cgroups, conmons, mounts, state."""
    hierarchy = cgroups.detect()
    found = {f"cgroup {name}" for name in hierarchy.children(f"/{machine.settings.cgroup_parent}") if "pod" in name}
    found |= {f"bundle {path.name}" for path in (machine.settings.run_dir / "containers").iterdir()}
    found |= {f"exit {path.name}" for path in (machine.settings.run_dir / "exits").iterdir()}
    state = machine.settings.run_dir / "runtime"
    found |= {f"state {path.name}" for path in state.iterdir()} if state.exists() else set()
    found |= {f"process {pid}" for pid in conmons(str(machine.settings.run_dir))}
    return found


def conmons(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = path.read_bytes()
            if arguments.split(b"\0")[0].endswith(b"conmon") and mark.encode() in arguments:
                found.append(int(path.parent.name))
    return found


async def drain(session: ExecSession) -> dict[int, bytes]:
    """What a session writes until it ends, by stream."""
    streams = {1: b"", 2: b""}
    async with asyncio.timeout(patience(60)):
        while (piece := await session.read()) is not None:
            streams[piece[0]] += piece[1]
    return streams
