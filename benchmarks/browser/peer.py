"""A peer of the overview: Django's own admin site, which needs no script to show its list. On a database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.instance import ROOT
from tests.ports import free_port

NAME = "Django's admin, 20 users"
USERS = 20
_HOME = "BENCHMARK_ADMIN_HOME"


@dataclass(frozen=True)
class Admin:
    address: str
    cookie: Any
    page: str = "/admin/auth/user/"
    awaited: str = "user-07"


@contextmanager
def admin() -> Iterator[Admin]:
    with tempfile.TemporaryDirectory(prefix="slipway-benchmark-admin-") as home:
        port = free_port()
        environment = {**os.environ, _HOME: home, "DJANGO_SETTINGS_MODULE": "benchmarks.browser.peer_settings"}
        address = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.browser.peer", str(port)], env=environment, cwd=ROOT
        )
        try:
            _wait(address)
            session = (Path(home) / "session").read_text()
            yield Admin(address, {"name": "sessionid", "value": session, "url": address})
        finally:
            process.terminate()
            process.wait()


def _wait(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/admin/login/", timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError("the admin site does not answer")


def serve(port: int) -> None:
    """With its users made and the administrator signed in."""
    import django

    django.setup()
    import uvicorn
    from django.contrib import admin as admin_site
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.handlers.asgi import ASGIHandler
    from django.core.management import call_command

    from dashboard import files

    call_command("migrate", verbosity=0)
    chief = User.objects.create_superuser("admin")
    User.objects.bulk_create(User(username=f"user-{number:02}") for number in range(USERS))
    session = SessionStore()
    session[SESSION_KEY] = str(chief.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = chief.get_session_auth_hash()
    session.save()
    (Path(os.environ[_HOME]) / "session").write_text(str(session.session_key))
    # Its scripts and styles in the same way as ours, so that the pages are compared.
    static = files.Files(Path(admin_site.__file__).parent / "static", "/static/")
    pages = ASGIHandler()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (static if scope["path"].startswith("/static/") else pages)(scope, receive, send)

    uvicorn.run(application, host="127.0.0.1", port=port, log_level="error", lifespan="off")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
