"""`manage.py create_user NAME`: a person who may log in; roles come with `manage.py grant`."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.access import users
from controlplane.access.errors import AccessError


class Command(BaseCommand):
    help = "Create a user. The password is asked for, or read from standard input; it is never an argument."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--superuser", action="store_true", help="may do everything")
        parser.add_argument("--no-password", action="store_true", help="tokens only: no login to the dashboard")

    def handle(self, *args: Any, **options: Any) -> None:
        password = None if options["no_password"] else _read_password()
        try:
            user = users.create(options["name"], password=password, superuser=options["superuser"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from None
        except AccessError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"created user {user.username}")


def _read_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if password != getpass.getpass("Again: "):
        raise CommandError("the passwords differ")
    return password
