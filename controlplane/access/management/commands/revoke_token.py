"""`manage.py revoke_token`: end a token. It stops working everywhere within five seconds."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.access import tokens, users
from controlplane.access.errors import AccessError
from controlplane.nodes import joining


class Command(BaseCommand):
    help = "Revoke a user's token (--user with --name or --all), or a node's (--node)."

    def add_arguments(self, parser: CommandParser) -> None:
        owner = parser.add_mutually_exclusive_group(required=True)
        owner.add_argument("--user")
        owner.add_argument("--node")
        parser.add_argument("--name", default="", help="the name the token was created with")
        parser.add_argument("--all", action="store_true", help="every token of the user")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["user"] and bool(options["name"]) == options["all"]:
            raise CommandError("say which: --name NAME or --all")
        try:
            count = self._revoke(options)
        except AccessError as error:
            raise CommandError(str(error)) from None
        if not count:
            raise CommandError("there is no such token")
        self.stdout.write(f"revoked {count} token{'s' if count > 1 else ''}")

    @staticmethod
    def _revoke(options: dict[str, Any]) -> int:
        if options["node"]:
            return int(joining.revoke(options["node"]))
        return tokens.revoke(user=users.find(options["user"]), name=options["name"])
