"""`manage.py grant ROLE --user NAME`: give, change or take a role."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.access import tokens, users
from controlplane.access.errors import AccessError
from controlplane.access.models import Grant


class Command(BaseCommand):
    help = "Give a user or group a role in a namespace or in the whole cluster; 'none' takes it away."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", choices=[*Grant.Role.values, "none"])
        holder = parser.add_mutually_exclusive_group(required=True)
        holder.add_argument("--user")
        holder.add_argument("--group", help="made if it does not exist")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--namespace")
        where.add_argument("--cluster", action="store_true", help="every namespace, and what belongs to none")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            holder = self._holder(options)
        except AccessError as error:
            raise CommandError(str(error)) from None
        chosen = {**holder, "namespace": options["namespace"] or ""}
        if options["role"] == "none":
            Grant.objects.filter(**chosen).delete()
        else:
            Grant.objects.update_or_create(**chosen, defaults={"role": options["role"]})
        tokens.forget()
        self.stdout.write("done; running processes see it within five seconds")

    @staticmethod
    def _holder(options: dict[str, Any]) -> dict[str, Any]:
        if options["user"]:
            return {"user": users.find(options["user"])}
        return {"group": Group.objects.get_or_create(name=options["group"])[0]}
