"""`manage.py registry-gc`: collects the garbage of the cluster's registry now, and says what it freed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from controlplane.registry import collection, setting
from controlplane.registry.errors import Busy
from controlplane.registry.models import Collection
from schema import meta


class Command(BaseCommand):
    help = "Remove from the registry what no tag, workload, history or running pod needs. Pushes and pulls may go on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--grace",
            type=float,
            metavar="SECONDS",
            help="how long something must not have been needed; less than the longest pull breaks pulls of images whose tag "
            "has moved meanwhile (default: SLIPWAY_REGISTRY_GRACE_SECONDS)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not setting.enabled():
            raise CommandError("the registry is switched off (SLIPWAY_REGISTRY_PORT=0), or `make up` has not run yet")
        seconds = options["grace"]
        if seconds is not None and seconds < 0:
            raise CommandError("--grace: not less than 0")
        grace = setting.grace() if seconds is None else timedelta(seconds=seconds)
        record = Collection(started=meta.now(), asked_by="manage.py registry-gc")
        try:
            collection.perform(record, grace=grace)
        except (Busy, OSError) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(collection.sentence(record))
