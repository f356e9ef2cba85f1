"""Two Docker daemons on this machine, each in a network namespace of its own, joined by a bridge and into one Swarm.

    with docker_hosts(archive) as (first, second):
        first.docker("run", "-d", "--name", "a", IMAGE, "sleep", "1000")

Nothing of a Docker that runs already is touched: data, sockets and packet filters are these daemons' own, and gone after the
block. The bridge is in the machine's own namespace, as the lab's is, so that a client "from outside" is the same for both.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.instance import wait_for

BRIDGE = "slbench0"
NETWORK = ipaddress.IPv4Network("10.231.77.0/24")
_STOP_SECONDS = 30


def run(*argv: str | Path) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def installed() -> bool:
    return bool(shutil.which("docker") and shutil.which("dockerd"))


def has_ipvs() -> bool:
    """What Swarm balances with; without it virtual addresses and published ports of its services lead nowhere."""
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "ip_vs"], capture_output=True, check=False)
    return Path("/proc/net/ip_vs").exists()


@dataclass
class DockerHost:
    name: str
    directory: Path
    address: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def namespace(self) -> Path:
        return Path("/run/netns", self.name)

    @property
    def sandboxes(self) -> Path:
        return self.directory / "exec" / "netns"

    def docker(self, *words: str | Path) -> str:
        return run("docker", "-H", f"unix://{self.directory}/sock", *words)

    def inside(self, *argv: str | Path) -> str:
        return run("nsenter", f"--net={self.namespace}", *argv)

    def namespace_of(self, container: str) -> Path:
        pid = self.docker("inspect", "--format", "{{.State.Pid}}", container)
        return Path(f"/proc/{pid}/ns/net")

    def networks_of(self, container: str) -> dict[str, str]:
        """Address by network."""
        found: dict[str, Any] = json.loads(
            self.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
        )
        return {name: one["IPAddress"] for name, one in found.items()}

    def task(self, service: str) -> str:
        """The container of a service on this host, once it runs."""
        words = ("ps", "-q", "--filter", f"label=com.docker.swarm.service.name={service}")
        return wait_for(f"a task of {service}", lambda: self.docker(*words) or None, seconds=60)

    # Making and leaving

    def connect(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", self.name, "master", BRIDGE, "up")
        run("ip", "-n", self.name, "addr", "add", f"{self.address}/{NETWORK.prefixlen}", "dev", "eth0")
        run("ip", "-n", self.name, "link", "set", "eth0", "up")
        run("ip", "-n", self.name, "route", "add", "default", "via", str(NETWORK[1]))

    def start(self) -> None:
        options = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
        words = [word for option, name in options.items() for word in (option, str(self.directory / name))]
        # nsenter, not `ip netns exec`: that mounts a /sys of its own, without the cgroups below it.
        command = ["nsenter", f"--net={self.namespace}", "dockerd", *words, "-H", f"unix://{self.directory}/sock"]
        with (self.directory / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(f"{self.name}'s dockerd ({self.directory}/log)", self._answers, seconds=60)

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"dockerd ended: {(self.directory / 'log').read_text()[-2000:]}")
        try:
            return bool(self.docker("info", "--format", "{{.ServerVersion}}"))
        except RuntimeError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(RuntimeError):
                self.docker("swarm", "leave", "--force")
            with contextlib.suppress(RuntimeError):
                self.docker("rm", "--force", *self.docker("ps", "-aq").split())
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=_STOP_SECONDS)
        for mounted in self.directory.glob("exec/netns/*"):
            subprocess.run(["umount", mounted], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", self.name], capture_output=True, check=False)


@contextlib.contextmanager
def docker_hosts(archive: Path) -> Iterator[tuple[DockerHost, DockerHost]]:
    """``archive``: an image as of `docker save`, loaded into both."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-bench-docker-"))
    hosts = [DockerHost(f"slbench{n}", directory / str(n), str(NETWORK[n + 1])) for n in (1, 2)]
    try:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", f"{NETWORK[1]}/{NETWORK.prefixlen}", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for host in hosts:
            host.directory.mkdir()
            host.connect()
            host.start()
            host.docker("load", "-i", archive)
        _swarm(*hosts)
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            host.stop()
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
        shutil.rmtree(directory, ignore_errors=True)


def _swarm(manager: DockerHost, worker: DockerHost) -> None:
    manager.docker("swarm", "init", "--advertise-addr", manager.address)
    token = manager.docker("swarm", "join-token", "-q", "worker")
    worker.docker("swarm", "join", "--token", token, "--advertise-addr", worker.address, f"{manager.address}:2377")
