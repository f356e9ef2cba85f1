"""Builds in a running instance, for tests and benchmarks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.instance import ROOT, Instance, Wire, wait_for
from tests.registry import Registry

BUILDS = "/apis/slipway.dev/v1/namespaces/default/builds"
ENDED = ("Succeeded", "Failed")
SENDER = ("-m", "controlplane.builds.sender")
MANAGE = ("manage.py", "build")
"""The same, as most will call it."""


@dataclass
class Builder:
    instance: Instance
    base: str
    """A busybox in a plain registry."""
    plain: Registry

    @property
    def own(self) -> str:
        """The cluster's registry, as tags name it."""
        return f"localhost:{self.instance.environment['SLIPWAY_REGISTRY_PORT']}"

    @property
    def home(self) -> Path:
        return self.instance.home / "node" / "builds"

    def create(self, name: str, dockerfile: str, **spec: Any) -> Wire:
        tags = [f"{self.own}/default/{name}:1"]
        wanted = {"dockerfile": dockerfile, "tags": tags, **spec}
        return self.instance.create(
            {"apiVersion": "slipway.dev/v1", "kind": "Build", "metadata": {"name": name}, "spec": wanted}
        )

    def get(self, name: str) -> Wire | None:
        answer = self.instance.api.get(f"{BUILDS}/{name}")
        return dict(answer.json()) if answer.status_code == 200 else None

    def status(self, name: str) -> Wire:
        found = self.get(name)
        return dict((found or {}).get("status") or {})

    def phase(self, name: str, *phases: str, seconds: float = 180) -> Wire:
        """The status, once its phase is one of these."""

        def asked() -> Wire | None:
            status = self.status(name)
            return status if status.get("phase") in phases else None

        try:
            return wait_for(f"build {name} is {' or '.join(phases)}", asked, seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; its status: {self.status(name)}") from None

    def built(self, name: str, dockerfile: str, **spec: Any) -> Wire:
        """The status of a build that succeeded, with all its steps."""
        self.create(name, dockerfile, **spec)
        status = self.phase(name, *ENDED)
        assert status["phase"] == "Succeeded", (status, self.log(name))
        return wait_for("its steps are told", lambda: found if (found := self.status(name)).get("steps") else None)

    def failed(self, name: str, dockerfile: str, **spec: Any) -> Wire:
        self.create(name, dockerfile, **spec)
        status = self.phase(name, *ENDED)
        assert status["phase"] == "Failed", status
        return dict(status["failure"])

    def log(self, name: str) -> str:
        return str(self.instance.api.get(f"{BUILDS}/{name}/log").text)

    def delete(self, *names: str) -> None:
        """Gone, and nothing of it runs."""
        pods = [self.status(name).get("podName") for name in names]
        for name in names:
            self.instance.api.delete(f"{BUILDS}/{name}")
        for name, pod in zip(names, pods, strict=True):
            wait_for(f"build {name} is gone", lambda name=name: self.get(name) is None)  # type: ignore[misc]
            wait_for("its pod is gone", lambda pod=pod: pod is None or self.instance.pod(pod) is None)  # type: ignore[misc]

    def command(self, *words: str, program: Sequence[str] = SENDER) -> subprocess.CompletedProcess[str]:
        """Send a directory, and wait for the end."""
        return subprocess.run(
            [sys.executable, *program, *words],
            cwd=ROOT,
            env=dict(self.instance.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def processes(self) -> list[int]:
        """First processes of builders' containers, in this machine's numbers."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and self._is_builder(entry):
                found.append(int(entry.name))
        return found

    def _is_builder(self, entry: Path) -> bool:
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            mounts = (entry / "mountinfo").read_text() if b"nodeagent.builds.run" in words else ""
        except OSError:
            return False
        return f"{self.home}/cache" in mounts


def states(status: Wire) -> list[str]:
    return [step["state"] for step in status["steps"]]
