"""How long a container takes to start on this host, agent's parts only; beside a bare ``crun run`` in the same run.

    python -m benchmarks.runtime [--count 50] [--runtime crun]

Needs root. The rows are medians and 95th percentiles: a pod's network, a container's create and start under conmon with
limits, default seccomp filter and pinned namespaces, its removal, and the same container by ``<runtime> run``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path

from nodeagent.facilities import ContainerPlan, ImageConfig, Sandbox
from nodeagent.network.pods import BridgeNetwork
from nodeagent.runtime import assemble
from nodeagent.runtime.oci import OciRuntime
from nodeagent.settings import Settings
from tests.agent.host import instance, make_root, pod

Times = dict[str, list[float]]


async def measure(times: Times, row: str, work: Awaitable[object]) -> object:
    began = time.perf_counter()
    result = await work
    times[row].append(time.perf_counter() - began)
    return result


def plan(settings: Settings, root: Path, sandbox: Sandbox, container_id: str) -> ContainerPlan:
    limits = {"resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}
    the_pod = pod({"containers": [{"name": "main", "image": "i", **limits}]}, uid=sandbox.pod_uid)
    return assemble.plan(
        the_pod,
        the_pod.spec.containers[0],
        container_id=container_id,
        attempt=0,
        bundle=settings.run_dir / "containers" / container_id,
        log=settings.home / "logs" / container_id,
        root=root,
        image=ImageConfig(),
        args=["true"],
        environment=[],
        hostname="box",
        sandbox=sandbox,
        mounts=(),
        cgroup_parent=settings.cgroup_parent,
        pids_limit=1000,
        seccomp_directory=settings.home,
    )


def bare(runtime: str, spec: dict[str, object], directory: Path, number: int) -> None:
    """The same configuration without conmon, log or adoption."""
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text(json.dumps(spec))
    argv = [runtime, "--root", str(directory / "state"), "run", "--bundle", str(directory), f"bare-{number}"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


async def run(settings: Settings, root: Path, count: int) -> Times:
    times: Times = defaultdict(list)
    runtime, network = OciRuntime(settings), BridgeNetwork(settings)
    runtime.start_watching()
    await network.start(pod_cidrs=["10.183.7.0/24"], cluster_cidrs=["10.183.0.0/16"])
    try:
        for number in range(count + 3):
            if number == 3:
                times.clear()  # the first ones read what the others find in memory
            the_pod = pod()
            sandbox = await measure(times, "network create", network.create(the_pod, hostname="box"))
            assert isinstance(sandbox, Sandbox)
            made = plan(settings, root, sandbox, f"c{number}")
            began = time.perf_counter()
            await measure(times, "container create", runtime.create(made))
            await measure(times, "container start", runtime.start(made.container_id))
            times["container create + start"].append(time.perf_counter() - began)
            await measure(times, "container delete", runtime.delete(made.container_id))
            row = f"{settings.runtime} run (bare)"
            await measure(
                times, row, asyncio.to_thread(bare, settings.runtime, made.spec, settings.run_dir / "bare", number)
            )
            await measure(times, "network delete", network.delete(sandbox.pod_uid))
    finally:
        await runtime.close()
        await network.remove_everything()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--runtime", default="crun")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp())
    try:
        with instance(runtime=options.runtime) as settings:
            times = asyncio.run(run(settings, make_root(directory / "root"), options.count))
    finally:
        shutil.rmtree(directory)
    for row, values in times.items():
        ordered = sorted(values)
        middle, slow = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]
        print(f"{row:28} {middle * 1000:7.1f} ms   p95 {slow * 1000:7.1f} ms")
    ratio = statistics.median(times["container create + start"]) / statistics.median(
        times[f"{options.runtime} run (bare)"]
    )
    print(f"create + start is {ratio:.2f} times a bare {options.runtime} run")


if __name__ == "__main__":
    main()
