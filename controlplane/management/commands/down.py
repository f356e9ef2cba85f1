"""`manage.py down`: stops the instance and removes all it made on this host except its home."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from controlplane.instance import processes
from controlplane.instance.lab import operations
from controlplane.instance.lab.errors import LabError
from controlplane.instance.layout import Layout

STOP_SECONDS = 30.0


class Command(BaseCommand):
    help = "Stop the instance; remove its containers, devices, mounts, nft table and cgroups. What is stored stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--purge", action="store_true", help="delete the home too: database, keys, images, volumes")

    def handle(self, *args: Any, **options: Any) -> None:
        layout = Layout.from_environment()
        if not stop_supervisor(layout.pid_file):
            raise CommandError(f"the instance has not stopped within {STOP_SECONDS:.0f} s (see {layout.pid_file})")
        try:
            operations.down(layout)
        except LabError as error:
            raise CommandError(str(error)) from None
        outcome = subprocess.run(processes.remove_node(layout), check=False)
        if outcome.returncode:
            raise CommandError("not everything could be removed; see above, mend it and run this again")
        if options["purge"]:
            shutil.rmtree(layout.home)
        self.stdout.write("Removed every container, device, mount, nft table and cgroup of this instance.")


def stop_supervisor(pid_file: Path) -> bool:
    """True once nobody holds the file's lock: it is the proof, the process id only says whom to ask."""
    try:
        descriptor = os.open(pid_file, os.O_RDWR)
    except FileNotFoundError:
        return True
    deadline = time.monotonic() + STOP_SECONDS
    asked = False
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not asked:
                asked = True
                os.kill(int(os.pread(descriptor, 32, 0)), signal.SIGTERM)
            time.sleep(0.05)
        else:
            return True
    return False
