"""Who may be pushing into a repository at the moment.

Every push needs a token of ours for its repository, so a repository into which nobody holds one, and into which nothing was
uploaded of late, stands still. Garbage collection takes things only out of such repositories, and holds their lease's row
while it does: a token that is asked for meanwhile is issued right afterwards, and its holder sees what is left. So no client
is ever told that a layer is there which is then taken away before its manifest comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction

from controlplane.registry.errors import Busy
from schema import meta

LEEWAY = timedelta(seconds=60)
"""By so much the registry's own check of a token's end is lenient (distribution's ``token.Leeway``)."""


def take(repository: str, life: timedelta) -> None:
    """Note that a token to push is about to be issued. Waits for a collection that is just at this repository."""
    from controlplane.registry.models import PushLease

    until = meta.now() + life + LEEWAY
    with transaction.atomic():
        lease, made = PushLease.objects.select_for_update().get_or_create(
            repository=repository, defaults={"until": until}
        )
        if not made and lease.until < until:
            PushLease.objects.filter(pk=repository).update(until=until)


@contextmanager
def still(repository: str, grace: timedelta) -> Iterator[None]:
    """While this lasts nobody gets a token to push into the repository. Raises `Busy` where somebody had one within the
    grace. To be kept short: on SQLite every writer of the store waits."""
    from controlplane.registry.models import PushLease

    with transaction.atomic():
        lease, _ = PushLease.objects.select_for_update().get_or_create(
            repository=repository, defaults={"until": _LONG_AGO}
        )
        if lease.until + grace > meta.now():
            raise Busy(f"{repository} is being pushed into")
        yield


_LONG_AGO = datetime(2000, 1, 1, tzinfo=meta.now().tzinfo)


def forget(before: datetime) -> int:
    """Drop leases that ended long ago."""
    from controlplane.registry.models import PushLease

    return PushLease.objects.filter(until__lt=before).delete()[0]
