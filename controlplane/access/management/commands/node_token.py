"""`manage.py node_token NODE`: the credential with which a host's agent joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.access import tokens
from controlplane.access.errors import AccessError
from controlplane.access.files import write_private


class Command(BaseCommand):
    help = "Issue the token of a node, replacing its earlier one, and print it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node", help="the name the agent runs under (--node-name)")
        parser.add_argument("--file", type=Path, help="write it there (mode 0600) instead of printing it")
        parser.add_argument("--keep", action="store_true", help="with --file: leave a token that still works")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"] and not options["file"]:
            raise CommandError("--keep needs --file")
        try:
            self._issue(options["node"], options["file"], keep=options["keep"])
        except AccessError as error:
            raise CommandError(str(error)) from None

    def _issue(self, node: str, file: Path | None, *, keep: bool) -> None:
        if file is None:
            self.stdout.write(tokens.issue_for_node(node))
        elif keep:
            tokens.ensure_node_file(file, node)
        else:
            write_private(file, tokens.issue_for_node(node).encode())
