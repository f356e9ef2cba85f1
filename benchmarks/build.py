"""A cold and a cached build, beside ``docker build`` on the same Dockerfile and registry in the same run.

    python -m benchmarks.build [--rounds 3] [--docker-host unix:///tmp/bench/docker.sock]

An instance with its registry and, where dockerd is installed and no ``--docker-host`` is given, a dockerd of its own are
started. The Dockerfile copies 200 files, runs eight steps (one of which writes 20 MB) and copies again. Cold: nothing is
cached. Cached: the same again (ours takes the image of the first: `controlplane.builds.reuse`).
Ours is the sender from start to exit: packing, sending, building, pushing and putting the
image among the node's. Docker's is ``docker build`` followed by ``docker push``. Rounds take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import images, registry
from tests.cluster.instance import ROOT, Instance, running, wait_for
from tests.ports import free_port
from tests.registry import Registry

Build = Callable[[Path, str], None]
"""From a directory to an image of that tag, in its registry."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docker-host", default="", help="of a dockerd that runs already")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-", dir="/var/tmp")))
        hub = stack.enter_context(registry.start())
        base = images.busybox().push(hub, "busybox:latest")
        instance = stack.enter_context(running(SLIPWAY_REGISTRY_PORT=str(free_port())))
        tools: dict[str, Build] = {"slipway": lambda directory, tag: ours(instance, hub, directory, tag)}
        docker = options.docker_host or stack.enter_context(dockerd(work))
        if docker:
            tools["docker"] = lambda directory, tag: dockers(docker, hub, directory, tag)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        print(f"{'':10}{'cold':>12}{'cached':>12}")
        for name, (cold, cached) in measure(tools, base, work, options.rounds).items():
            print(f"{name:10}{statistics.median(cold):>10.2f} s{statistics.median(cached):>10.2f} s")


def measure(tools: dict[str, Build], base: str, work: Path, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in tools}
    for number in range(rounds):
        for name, build in tools.items():
            directory = make_context(work / f"{name}-{number}", base, number)
            for kind in (0, 1):
                began = time.perf_counter()
                build(directory, f"bench-{name}:{number}")
                taken[name][kind].append(time.perf_counter() - began)
    return taken


def make_context(directory: Path, base: str, number: int) -> Path:
    """Each round has its own first step: nothing of another round's is cached."""
    chance = random.Random(number)
    (directory / "src").mkdir(parents=True)
    for one in range(200):
        (directory / "src" / f"file{one}").write_bytes(chance.randbytes(4096))
    steps = [f"RUN echo round {number}", "COPY src /src", *(f"RUN echo {step} > /step{step}" for step in range(6))]
    steps += ["RUN head -c 20000000 /dev/urandom > /big", "COPY src/file1 /last"]
    (directory / "Dockerfile").write_text("\n".join([f"FROM {base}", *steps, ""]))
    return directory


def ours(instance: Instance, hub: Registry, directory: Path, tag: str) -> None:
    words = [sys.executable, "-m", "controlplane.builds.sender", str(directory), "-t", f"{hub.host}/{tag}"]
    subprocess.run(words, cwd=ROOT, env=dict(instance.environment), check=True, capture_output=True)


def dockers(host: str, hub: Registry, directory: Path, tag: str) -> None:
    environment = {**os.environ, "DOCKER_HOST": host}
    for words in (["build", "-q", "-t", f"{hub.host}/{tag}", str(directory)], ["push", "-q", f"{hub.host}/{tag}"]):
        subprocess.run(["docker", *words], env=environment, check=True, capture_output=True)


@contextlib.contextmanager
def dockerd(work: Path) -> Iterator[str]:
    """One of our own; an empty word where there is none."""
    if shutil.which("dockerd") is None:
        print("no dockerd is installed: only Slipway is measured")
        yield ""
        return
    socket = work / "docker.sock"
    places = [
        "--data-root",
        str(work / "docker"),
        "--exec-root",
        str(work / "exec"),
        "--pidfile",
        str(work / "docker.pid"),
    ]
    with (work / "dockerd.log").open("w") as log:
        process = subprocess.Popen(
            ["dockerd", *places, "-H", f"unix://{socket}", "--bridge=none"], stdout=log, stderr=log
        )
    try:
        answers = ["docker", "-H", f"unix://{socket}", "version"]
        wait_for(
            "a dockerd", lambda: subprocess.run(answers, capture_output=True, check=False).returncode == 0, seconds=60
        )
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(timeout=60)
        for left in (work / "docker").glob("*"):
            subprocess.run(["umount", "-R", "-l", str(left)], capture_output=True, check=False)


if __name__ == "__main__":
    main()
