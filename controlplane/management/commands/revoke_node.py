"""`manage.py revoke-node NODE`: a node's credential ends, and its session at once."""

from __future__ import annotations

import contextlib
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.nodes import joining
from controlplane.store import announce, objects
from controlplane.store.errors import NotFound
from schema import kinds

FLUSH_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Revoke a node's credential and cut its session. With --delete, remove its Node object too (as kubectl would)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("node")
        parser.add_argument("--delete", action="store_true", help="delete the Node object, and with it its pods")

    def handle(self, *args: Any, **options: Any) -> None:
        node = options["node"]
        revoked = joining.revoke(node)
        deleted = False
        if options["delete"]:
            with contextlib.suppress(NotFound):
                objects.delete(kinds.NODE, "", node)
                deleted = True
            announce.flush(FLUSH_SECONDS)
        if not revoked and not deleted:
            raise CommandError(f"node {node!r} has no credential")
        self.stdout.write(f"{node}: revoked{' and deleted' if deleted else ''}; it can only come back by joining anew")
