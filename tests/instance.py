"""The web process as `manage.py up` runs it (`controlplane.serve`, both listeners), with a Redis, database and home of
its own on free ports. No worker and no agent: for tests of the API as clients see it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_SECONDS = 90.0

_PREPARE = """
from pathlib import Path
import os
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from controlplane.access import kubeconfig, pki, tokens, users
call_command("migrate", verbosity=0, interactive=False)
files = pki.ensure(settings.HOME, hosts=["localhost"])
user, _ = users.ensure_admin()
user.set_password(os.environ["ADMIN_PASSWORD"])
user.save()
token = tokens.issue_for_user(user, "tests")
(settings.HOME / "token").write_text(token)
server = f"https://127.0.0.1:{settings.API_PORT}"
kubeconfig.write(settings.HOME / "admin.kubeconfig", server=server, ca_file=files.ca_certificate, token=token)
"""
ADMIN_PASSWORD = "correct horse battery staple"


@dataclass
class Instance:
    home: Path
    api_port: int
    http_port: int
    environment: dict[str, str]
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def kubeconfig(self) -> Path:
        return self.home / "admin.kubeconfig"

    @property
    def token(self) -> str:
        return (self.home / "token").read_text()

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "pki" / "ca.crt"))

    @property
    def web(self) -> subprocess.Popen[bytes]:
        return self.children[-1]

    def start_redis(self) -> None:
        directory = self.home / "redis"
        directory.mkdir(exist_ok=True)
        self._spawn(
            *("redis-server", "--port", "0", "--unixsocket", str(directory / "redis.sock"), "--dir", str(directory)),
            *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
        )

    def start_web(self) -> None:
        self._spawn(sys.executable, "-m", "controlplane.serve")
        wait_for(self.is_ready, "the web process to be ready", alive=self.web)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.http_url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _spawn(self, *command: str) -> None:
        log = (self.home / "output.log").open("ab")
        with contextlib.closing(log):
            self.children.append(
                subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
            )


def wait_for(question, what: str, *, alive: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not question():
        if alive is not None and alive.poll() is not None:
            raise AssertionError(f"waited for {what}, but the process ended with {alive.returncode}")
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:.0f} s: {what}"
        time.sleep(0.02)


@contextmanager
def running(**environment: str) -> Iterator[Instance]:
    home = Path(tempfile.mkdtemp(prefix="slipway-api-"))
    ports = {"SLIPWAY_API_PORT": str(free_port()), "SLIPWAY_HTTP_PORT": str(free_port())}
    inherited = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL")}
    settings = {
        "SLIPWAY_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "PYTHONPATH": str(ROOT),
    }
    made = Instance(
        home,
        int(ports["SLIPWAY_API_PORT"]),
        int(ports["SLIPWAY_HTTP_PORT"]),
        {**inherited, **settings, **ports, **environment},
    )
    try:
        made.start_redis()
        subprocess.run([sys.executable, "-c", _PREPARE], env=made.environment, cwd=ROOT, check=True)
        made.start_web()
        yield made
    finally:
        made.stop()
        output = (home / "output.log").read_text() if (home / "output.log").exists() else ""
        shutil.rmtree(home, ignore_errors=True)
        if output:
            print(output)  # pytest shows it where a test failed
