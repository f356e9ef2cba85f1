"""Stock clients of image registries against the cluster's own: skopeo, buildah, podman, and docker with a daemon of its own.

Each has its login and its storage in a directory of the test and leaves nothing on the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.cluster.instance import Instance, wait_for


@dataclass
class Done:
    code: int
    output: str

    def __bool__(self) -> bool:
        return self.code == 0


@dataclass
class Client:
    """One user at one program. ``address`` is the registry's."""

    directory: Path
    address: str
    authority: Path
    program: str = "skopeo"
    options: list[str] = field(default_factory=list)

    @property
    def certificates(self) -> Path:
        found = self.directory / "certificates"
        if not found.exists():
            found.mkdir(parents=True)
            shutil.copy(self.authority, found / "ca.crt")
        return found

    def run(self, *words: str, given: str | None = None) -> Done:
        environment = {
            **os.environ,
            "REGISTRY_AUTH_FILE": str(self.directory / "auth.json"),
            "HOME": str(self.directory),
        }
        environment |= {"XDG_RUNTIME_DIR": str(self.directory), "BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run(
            [self.program, *self.options, *words],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def must(self, *words: str, given: str | None = None) -> str:
        done = self.run(*words, given=given)
        assert done, f"{self.program} {' '.join(words)}: {done.output}"
        return done.output

    def reference(self, name: str) -> str:
        return f"{self.address}/{name}"


class Skopeo(Client):
    def login(self, user: str, password: str) -> Done:
        tls = f"--cert-dir={self.certificates}"
        return self.run("login", tls, "--username", user, "--password-stdin", self.address, given=password)

    def push(self, archive: Path, name: str) -> Done:
        self.directory.mkdir(parents=True, exist_ok=True)
        target = f"docker://{self.reference(name)}"
        return self.run("copy", "-q", f"--dest-cert-dir={self.certificates}", f"oci-archive:{archive}", target)

    def pull(self, name: str, target: Path) -> Done:
        source = f"docker://{self.reference(name)}"
        return self.run("copy", "-q", f"--src-cert-dir={self.certificates}", source, f"dir:{target}")

    def inspect(self, name: str) -> dict[str, Any]:
        source = f"docker://{self.reference(name)}"
        found: dict[str, Any] = json.loads(self.must("inspect", f"--cert-dir={self.certificates}", source))
        return found

    def delete(self, name: str) -> Done:
        return self.run("delete", f"--cert-dir={self.certificates}", f"docker://{self.reference(name)}")


def archive(directory: Path, *, content: str = "") -> Path:
    """A busybox image in a file, with a layer that tells it from others."""
    extra = [images.layer([images.file("content", content)])] if content else []
    path = directory / f"image-{content or 'plain'}.tar"
    images.busybox(extra=extra).save_oci_archive(path)
    return path


def address_of(instance: Instance) -> str:
    return (instance.home / "registry-address").read_text().strip()


def skopeo(instance: Instance, directory: Path) -> Skopeo:
    """Logged in as the administrator."""
    client = Skopeo(directory, address_of(instance), instance.home / "pki" / "ca.crt")
    assert client.login("admin", instance.password)
    return client


DAEMON_SECONDS = 180.0
"""A loaded machine takes its time; dockerd waits 15 s for a containerd that it starts itself, so that is started first."""


@contextlib.contextmanager
def docker_daemon(directory: Path) -> Iterator[list[str]]:
    """The options by which the docker CLI finds a daemon that lives as long as the block."""
    if any(shutil.which(program) is None for program in ("dockerd", "docker", "containerd")):
        pytest.skip("docker is not installed")
    socket = f"unix://{directory}/docker.sock"
    places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/docker.pid"]
    apart = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
    try:
        with _containerd(directory) as containers:
            command = ["dockerd", "-H", socket, f"--containerd={containers}", *places, *apart]
            ask = ["docker", "-H", socket, "version"]
            with _daemon(command, ask, directory / "dockerd.log"):
                yield ["-H", socket]
    finally:
        subprocess.run(["umount", "--lazy", f"{directory}/data"], capture_output=True, check=False)  # dockerd leaves it


@contextlib.contextmanager
def _containerd(directory: Path) -> Iterator[Path]:
    """The socket of one that keeps all its things in the directory and listens nowhere else."""
    address, config = directory / "containerd.sock", directory / "containerd.toml"
    config.write_text(
        f"version = 2\nroot = '{directory}/containerd'\nstate = '{directory}/containerd-state'\n"
        "disabled_plugins = ['io.containerd.grpc.v1.cri']\n[plugins.'io.containerd.internal.v1.opt']\n"
        f"path = '{directory}/opt'\n[grpc]\naddress = '{address}'\n"
    )
    with _daemon(
        ["containerd", "--config", str(config)],
        ["ctr", "--address", str(address), "version"],
        directory / "containerd.log",
    ):
        yield address


@contextlib.contextmanager
def _daemon(command: list[str], ask: list[str], log: Path) -> Iterator[None]:
    """A process that runs within the block. It is ready when ``ask`` succeeds."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:

        def ready() -> bool:
            assert process.poll() is None, f"{command[0]} ended: {log.read_text()[-2000:]}"
            return subprocess.run(ask, capture_output=True, check=False).returncode == 0

        wait_for(f"{command[0]} answers ({log})", ready, seconds=DAEMON_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
