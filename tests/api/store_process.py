"""Another process on the test's database."""

from __future__ import annotations

import subprocess
import sys
import textwrap

from django.db import connection


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Runs ``script`` with Django set up and the store's names imported."""
    prelude = textwrap.dedent(f"""
        import os, signal, sys
        import django
        from django.conf import settings
        settings.DATABASES["default"]["NAME"] = {str(connection.settings_dict["NAME"])!r}
        django.setup()
        from django.db import connection
        from controlplane.store import objects, transaction
        from schema.kinds import CONFIG_MAP, POD
        from tests.api.store_objects import config_map, pod
    """)
    code = prelude + textwrap.dedent(script)
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class Crowd:
    """Several processes that set out to write at the same moment as each other and the test."""

    def __init__(self, script: str, *names: str) -> None:
        prelude = "print('ready', flush=True); sys.stdin.readline()\n"
        self._processes = [start(prelude + textwrap.dedent(script), name) for name in names]
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def go(self) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def wait(self) -> None:
        for process in self._processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors


def run(script: str, *arguments: str) -> None:
    with start(script, *arguments) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
