"""``manage.py build DIRECTORY -t NAME``: build an image in the cluster, and see how."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from controlplane.builds.sender import command


class Command(BaseCommand):
    help = "Build an image from a directory or a git repository, in the cluster. Ends as the build does."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        command.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        import argparse

        sys.exit(command.run(argparse.Namespace(**options), settings.HOME))
