"""What the tests of the real runtime, network and volumes share: an instance of its own, and its removal."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from nodeagent import kernel
from nodeagent.runtime import cgroups, preparation
from nodeagent.settings import Settings
from schema.base import Wire
from schema.core.pod import Pod
from tests.agent.patience import patience

needs_host = [pytest.mark.host, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

_numbers = itertools.count(1)


def make_root(directory: Path) -> Path:
    """A root file system of nothing but busybox, and a few accounts."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox-static")
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "root"):
        (directory / name).mkdir(parents=True)
    shutil.copy(busybox, directory / "bin/busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        with contextlib.suppress(FileExistsError):
            (directory / "bin" / applet).symlink_to("busybox")
    (directory / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/:/bin/sh\n")
    (directory / "etc/group").write_text("root:x:0:\napp:x:1001:\nextra:x:1002:app\n")
    (directory / "tmp").chmod(0o1777)
    return directory


@contextlib.contextmanager
def instance(*, runtime: str = "crun") -> Iterator[Settings]:
    """Settings of an instance that nobody else has; what it leaves on the host is removed."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-test-"))
    settings = Settings(
        home=directory / "home",
        run_dir=directory / "run",
        server="",
        token="",
        ca_file=None,
        node_name="node",
        cgroup_parent=f"slipway-test-{directory.name[-8:]}",
        runtime=runtime,
    )
    try:
        yield settings
    finally:
        _kill_and_remove_cgroups(settings.cgroup_parent)
        preparation.restore(settings.run_dir)
        for target in _mounts_below(directory):
            with contextlib.suppress(OSError):
                kernel.unmount(target, kernel.MNT_DETACH)
        shutil.rmtree(directory, ignore_errors=True)


def _kill_and_remove_cgroups(parent: str) -> None:
    hierarchy = cgroups.detect()
    deadline = time.monotonic() + patience(5)
    while pids := hierarchy.processes(f"/{parent}"):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        assert time.monotonic() < deadline, f"processes {pids} do not die"
    hierarchy.remove(f"/{parent}")


def _mounts_below(directory: Path) -> list[str]:
    targets = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [target for target in reversed(targets) if target.startswith(f"{directory}/")]


def pod(spec: Wire | None = None, /, **metadata: object) -> Pod:
    name = f"pod-{next(_numbers)}"
    uid = f"{name}-{os.getpid()}"
    containers = {"containers": [{"name": "main", "image": "busybox"}]}
    return Pod.parse(
        {"metadata": {"name": name, "namespace": "default", "uid": uid, **metadata}, "spec": containers | (spec or {})}
    )


async def until(condition: Callable[[], object] | Callable[[], Awaitable[object]], *, seconds: float = 60) -> None:
    """Wait for a condition that nothing notifies of."""
    async with asyncio.timeout(patience(seconds)):
        while True:
            result = condition()
            if isinstance(result, Awaitable):
                result = await result
            if result:
                return
            await asyncio.sleep(0.01)
