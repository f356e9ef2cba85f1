"""`manage.py create_token USER NAME`: a bearer token for a person's scripts, printed once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from controlplane.access import kubeconfig, tokens, users
from controlplane.access.errors import AccessError


class Command(BaseCommand):
    help = "Issue a bearer token, replacing the user's token of the same name, and print it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user")
        parser.add_argument("name", help="what the token is for; revoke_token takes it")
        parser.add_argument("--days", type=float, help="days until it expires (default: never)")
        parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig there instead of printing the token")
        parser.add_argument("--server", help="https address for the kubeconfig")
        parser.add_argument("--ca-file", type=Path, help="certificate authority for the kubeconfig")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["kubeconfig"] and not (options["server"] and options["ca_file"]):
            raise CommandError("--kubeconfig needs --server and --ca-file")
        expires = timezone.now() + timedelta(days=options["days"]) if options["days"] is not None else None
        try:
            token = tokens.issue_for_user(users.find(options["user"]), options["name"], expires=expires)
        except AccessError as error:
            raise CommandError(str(error)) from None
        if not options["kubeconfig"]:
            self.stdout.write(token)
            return
        kubeconfig.write(options["kubeconfig"], server=options["server"], ca_file=options["ca_file"], token=token)
        self.stdout.write(f"wrote {options['kubeconfig']}")
