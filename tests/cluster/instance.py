"""A whole instance in a temporary home: `manage.py up` as a user runs it, and a small client for its API.

Several may run beside each other; each has its own home, ports, addresses and cgroups. `Instance.down` is what `make down`
runs, and the fixtures check that nothing is left on the host.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from schema import kinds
from schema.instance import instance_id
from tests.ports import free_port

logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per request of a waiting test tells nobody anything

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, PATIENCE_SECONDS = 180.0, 90.0
"""Patience costs nothing where all goes well, and a machine that is busy with other things needs it."""
Wire = dict[str, Any]
T = TypeVar("T")


def wait_for(what: str, question: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is neither None nor False; an error that tells what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


@dataclass
class Instance:
    """A running instance. ``api`` speaks to it over TLS as the administrator."""

    home: Path
    environment: Mapping[str, str]
    api_port: int
    http_port: int
    node: str
    process: subprocess.Popen[str] | None = None
    _client: httpx.Client | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return instance_id(self.home)

    @property
    def kubeconfig(self) -> Path:
        return self.home / "admin.kubeconfig"

    @property
    def password(self) -> str:
        return (self.home / "admin-password").read_text().strip()

    def up(self) -> None:
        with (self.home.parent / "up.log").open("a") as log:
            self.process = subprocess.Popen(
                self.up_command(),
                cwd=ROOT,
                env=dict(self.environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        wait_for(f"a ready instance ({self.home.parent}/up.log)", self._is_ready, seconds=START_SECONDS)

    def up_command(self) -> list[str]:
        return [sys.executable, "manage.py", "up"]

    def _is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"`manage.py up` ended:\n{(self.home.parent / 'up.log').read_text()[-4000:]}")
        if not self.kubeconfig.exists():
            return False
        try:
            node = self.api.get(f"/api/v1/nodes/{self.node}")
        except httpx.TransportError:
            return False
        return node.status_code == httpx.codes.OK and condition(node.json(), "Ready") == "True"

    def stop(self) -> None:
        """Ctrl-C: the control plane and the agent end, containers stay."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=PATIENCE_SECONDS)
        self.process = None

    def down(self) -> subprocess.CompletedProcess[str]:
        self._close()
        outcome = subprocess.run(
            [sys.executable, "manage.py", "down"],
            cwd=ROOT,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=2 * START_SECONDS,
            check=False,
        )
        if self.process is not None:
            self.process.wait(timeout=PATIENCE_SECONDS)
        return outcome

    @property
    def api(self) -> httpx.Client:
        """For the test's own thread."""
        if self._client is None:
            self._client = self.client()
        return self._client

    def client(self, *, timeout: float = 30) -> httpx.Client:
        """Another one, for another thread."""
        user = yaml.safe_load(self.kubeconfig.read_text())["users"][0]["user"]
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.api_port}",
            headers={"Authorization": f"Bearer {user['token']}"},
            verify=ssl.create_default_context(cafile=str(self.home / "pki" / "ca.crt")),
            timeout=timeout,
        )

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 180) -> subprocess.CompletedProcess[str]:
        if shutil.which("kubectl") is None:
            pytest.skip("kubectl is not installed")
        return subprocess.run(
            ["kubectl", *words],
            env={
                **os.environ,
                "KUBECONFIG": str(self.kubeconfig),
                "KUBECACHEDIR": str(self.home.parent / "kube-cache"),
            },
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def create(self, obj: Wire, *, namespace: str = "default") -> Wire:
        kind = kinds.by_kind(obj.get("apiVersion", "v1"), obj["kind"])
        assert kind is not None
        base = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
        where = f"/namespaces/{namespace}" if kind.namespaced else ""
        answer = self.api.post(f"{base}{where}/{kind.plural}", json=obj)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return dict(answer.json())

    def pod(self, name: str, *, namespace: str = "default") -> Wire | None:
        answer = self.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else dict(answer.raise_for_status().json())

    def wait_pod(
        self,
        name: str,
        what: str,
        question: Callable[[Wire], bool],
        *,
        namespace: str = "default",
        seconds: float = PATIENCE_SECONDS,
    ) -> Wire:
        """The pod once ``question`` holds for it; the failure shows its status."""
        last: list[Wire | None] = [None]

        def asked() -> Wire | None:
            last[0] = self.pod(name, namespace=namespace)
            return last[0] if last[0] is not None and question(last[0]) else None

        try:
            return wait_for(f"pod {name} {what}", asked, seconds=seconds)
        except AssertionError as error:
            status = json.dumps(last[0] and last[0].get("status"), indent=1)
            raise AssertionError(f"{error}; its status: {status}") from None

    def wait_running(self, name: str, *, namespace: str = "default") -> Wire:
        return self.wait_pod(
            name, "runs and is ready", lambda pod: condition(pod, "Ready") == "True", namespace=namespace
        )

    def delete_pod(self, name: str, *, namespace: str = "default", grace: int = 0) -> None:
        """Deleted and gone from the store and the node."""
        self.api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}", params={"gracePeriodSeconds": grace})
        wait_for(f"pod {name} is gone", lambda: self.pod(name, namespace=namespace) is None)

    def logs(self, name: str, **query: Any) -> str:
        answer = self.api.get(f"/api/v1/namespaces/default/pods/{name}/log", params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.text

    def pid_of(self, process: str) -> int:
        """The process of this instance with that name (redis, registry, web, worker, agent)."""
        word = {
            "redis": str(self.home / "redis"),
            "web": "controlplane.serve",
            "worker": "celery",
            "registry": "docker-registry serve",
            "agent": f"nodeagent run --server https://127.0.0.1:{self.api_port} ",
        }[process]
        for pid in children_of(supervisor_pid(self.home)):
            if word in command_line(pid):
                return pid
        raise AssertionError(f"no {process} runs")


def supervisor_pid(home: Path) -> int:
    return int((home / "up.pid").read_text())


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def condition(obj: Wire, kind: str) -> str | None:
    """The status of a condition of a pod or node."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((c["status"] for c in conditions if c["type"] == kind), None)


def container_status(pod: Wire, name: str) -> Wire:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((status for status in statuses if status["name"] == name), {})


@contextmanager
def running(**settings: str) -> Iterator[Instance]:
    """An instance that is up within the block and taken down after it, whatever happened."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-test-"))
    instance = prepare(directory, **settings)
    try:
        instance.up()
        yield instance
    finally:
        outcome = instance.down()
        if outcome.returncode == 0:
            shutil.rmtree(directory, ignore_errors=True)
    assert outcome.returncode == 0, f"`manage.py down` failed:\n{outcome.stdout}\n{outcome.stderr}"


def prepare(directory: Path, **settings: str) -> Instance:
    api_port, http_port = free_port(), free_port()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SLIPWAY_")}
    environment = {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "SLIPWAY_HOME": str(directory / "home"),
        "SLIPWAY_API_PORT": str(api_port),
        "SLIPWAY_HTTP_PORT": str(http_port),
        "SLIPWAY_REGISTRY_PORT": "0",  # tests that are about the registry give it a port
        "SLIPWAY_NODE_NAME": f"node-{directory.name.rsplit('-', 1)[-1].lower().replace('_', 'x')}",
        **settings,
    }
    environment.pop("DATABASE_URL", None)
    environment.pop("REDIS_URL", None)
    return Instance(
        Path(environment["SLIPWAY_HOME"]), environment, api_port, http_port, environment["SLIPWAY_NODE_NAME"]
    )
