"""`manage.py join-token`: the line that makes a host a node."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.access import joining
from controlplane.access.errors import AccessError
from controlplane.instance import address
from controlplane.instance.layout import Layout

_TTL = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    help = "Create, list and revoke join tokens. Without an action: create one and print the line to paste on the host."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", default="create", choices=("create", "list", "revoke"))
        parser.add_argument("token", nargs="?", help="for revoke: the token, or its id as `list` shows it")
        parser.add_argument("--ttl", default="24h", help="how long it may be used: 90s, 30m, 24h, 7d (default: 24h)")
        parser.add_argument("--uses", type=int, metavar="N", help="for how many hosts (default: any number)")
        parser.add_argument("--description", default="", help="what it is for")
        parser.add_argument(
            "--server", help="https address in the line (default: SLIPWAY_HOSTS, or this host's address)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["token"] and options["action"] != "revoke":
            raise CommandError(f"{options['action']} takes no token")
        try:
            getattr(self, f"_{options['action']}")(options)
        except AccessError as error:
            raise CommandError(str(error)) from None

    def _create(self, options: dict[str, Any]) -> None:
        layout = Layout.from_environment()
        if not layout.ca_certificate.exists():
            raise CommandError(f"there is no control plane in {layout.home} yet: `manage.py up` makes one")
        if not layout.api_port:
            raise CommandError("nodes join over TLS: SLIPWAY_API_PORT must not be 0")
        made = joining.create(
            life=parse_ttl(options["ttl"]),
            uses=options["uses"],
            description=options["description"],
            created_by="manage.py",
        )
        server = options["server"] or address.server(layout.api_port)
        self.stdout.write(address.join_command(server, made.token, layout.ca_certificate))

    def _list(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"{'ID':<12} {'EXPIRES':<20} {'USED':<9} {'BY':<12} DESCRIPTION")
        for token in joining.present():
            used = f"{token.used}/{'∞' if token.uses is None else token.uses}"
            expires = f"{token.expires:%Y-%m-%dT%H:%M:%SZ}"
            line = f"{token.id:<12} {expires:<20} {used:<9} {token.created_by:<12} {token.description}"
            self.stdout.write(line.rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        if not options["token"]:
            raise CommandError("say which: its id, as `manage.py join-token list` shows it")
        if not joining.revoke(options["token"]):
            raise CommandError("there is no such join token")
        self.stdout.write("revoked; nodes that have joined with it stay")


def parse_ttl(text: str) -> timedelta:
    match = _TTL.fullmatch(text.strip())
    if match is None:
        raise CommandError(f"--ttl: {text!r} is no time like 90s, 30m, 24h or 7d")
    try:
        return timedelta(**{_UNITS[match[2]]: float(match[1])})
    except OverflowError:
        raise CommandError(f"--ttl: {text} is too long") from None
