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


@contextlib.contextmanager
def docker_daemon(directory: Path) -> Iterator[list[str]]:
    """The options by which the docker CLI finds a daemon that lives as long as the block."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    socket = f"unix://{directory}/docker.sock"
    places = [f"--data-root={directory}/data", f"--exec-root={directory}/exec", f"--pidfile={directory}/docker.pid"]
    apart = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
    with (directory / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", "-H", socket, *places, *apart], stdout=log, stderr=log)
    try:

        def ready() -> bool:
            if daemon.poll() is not None:
                pytest.skip(f"dockerd does not run here: {(directory / 'dockerd.log').read_text()[-500:]}")
            return subprocess.run(["docker", "-H", socket, "version"], capture_output=True, check=False).returncode == 0

        wait_for("dockerd answers", ready, seconds=30)
        yield ["-H", socket]
    finally:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        subprocess.run(["umount", "--lazy", f"{directory}/data"], capture_output=True, check=False)  # dockerd leaves it
