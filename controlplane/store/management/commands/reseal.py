"""`manage.py reseal`: rewrite with the current encryption key whatever a former one sealed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from controlplane.store import resealing


class Command(BaseCommand):
    help = "Rewrite all sealed content with SLIPWAY_ENCRYPTION_KEY; afterwards the previous keys may be forgotten."

    def handle(self, *args: Any, **options: Any) -> None:
        count = resealing.reseal()
        self.stdout.write(f"{count} rows resealed; SLIPWAY_PREVIOUS_ENCRYPTION_KEYS is no longer needed.")
