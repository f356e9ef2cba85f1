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
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(script: str, *arguments: str) -> None:
    with start(script, *arguments) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
