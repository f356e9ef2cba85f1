"""`manage.py rotate-node NODE…`: have nodes renew their credential now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.nodes import joining


class Command(BaseCommand):
    help = "Have nodes exchange their credential for a new one now. The former one ends ten minutes later."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", nargs="+")

    def handle(self, *args: Any, **options: Any) -> None:
        missing = [node for node in options["node"] if not joining.rotate(node)]
        if missing:
            raise CommandError(f"not connected: {', '.join(missing)}")
        self.stdout.write("asked; the nodes' logs say when it is done")
