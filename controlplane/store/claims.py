"""What only one object of the cluster can have: an address, a port of the nodes.

A kind says what each of its objects claims (`Storage.claims`); the claims are written in the object's own transaction, and
a unique constraint stands behind them. So whatever an object shows is its own, however many processes allocate, and it is
free again the moment the object is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from controlplane.store.errors import Invalid
from schema.kinds import Kind

_CHUNK = 400


class Claim(NamedTuple):
    pool: str
    """What sort of thing: ``address``, ``node port``, …; as messages say it."""
    value: str


@dataclass(frozen=True)
class Holder:
    kind: str
    """``services``"""
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def holders(wanted: Iterable[Claim]) -> dict[Claim, Holder]:
    """Who has what, outside a transaction."""
    pools: dict[str, list[str]] = {}
    for claim in wanted:
        pools.setdefault(claim.pool, []).append(claim.value)
    with connection.cursor() as cursor:
        found = {name: Claims(cursor).stored(name, values) for name, values in pools.items()}
    return {Claim(name, value): holder for name, holders in found.items() for value, holder in holders.items()}


def first_free(pool: str, values: Iterator[str], count: int) -> list[str]:
    """The first ``count`` of ``values`` that nobody has."""
    found: list[str] = []
    with connection.cursor() as cursor:
        known = Claims(cursor)
        while len(found) < count and (some := list(islice(values, _CHUNK))):
            found += known.free(pool, some)
    return found[:count]


class Claims:
    """The claims as one transaction sees them."""

    def __init__(self, cursor: CursorWrapper) -> None:
        self._cursor = cursor
        self._changed: dict[Claim, Holder | None] = {}

    def holder(self, claim: Claim) -> Holder | None:
        if claim in self._changed:
            return self._changed[claim]
        return self.stored(claim.pool, [claim.value]).get(claim.value)

    def free(self, pool: str, values: Iterable[str]) -> list[str]:
        """Those of ``values`` that nobody has, in their order."""
        wanted = list(values)
        taken = set(self.stored(pool, wanted))
        taken = {value for value in taken if self._changed.get(Claim(pool, value), True)}
        taken |= {claim.value for claim, holder in self._changed.items() if claim.pool == pool and holder}
        return [value for value in wanted if value not in taken]

    def replace(self, kind: Kind, holder: Holder, before: Iterable[Claim], after: Mapping[Claim, str]) -> None:
        """``after`` names the field that shows each claim. Raises `Invalid` before anything is changed."""
        before = set(before)
        for claim, field in after.items():
            other = None if claim in before else self.holder(claim)
            if other is not None and other.uid != holder.uid:
                value = int(claim.value.rpartition("/")[2]) if "port" in claim.pool else claim.value
                raise Invalid(
                    f"provided {claim.pool} is already allocated to {other}",
                    kind=kind,
                    name=holder.name,
                    field=field,
                    value=value,
                )
        for claim in before - after.keys():
            self._changed[claim] = None
        for claim in after.keys() - before:
            self._changed[claim] = holder

    def flush(self) -> None:
        if not self._changed:
            return
        self._cursor.executemany(
            "DELETE FROM store_claim WHERE pool = %s AND value = %s", [[*claim] for claim in self._changed]
        )
        rows = [
            [*claim, holder.kind, holder.namespace, holder.name, holder.uid]
            for claim, holder in self._changed.items()
            if holder is not None
        ]
        if rows:
            self._cursor.executemany(
                "INSERT INTO store_claim (pool, value, kind, namespace, name, uid) VALUES (%s, %s, %s, %s, %s, %s)",
                rows,
            )

    def stored(self, pool: str, values: list[str]) -> dict[str, Holder]:
        found: dict[str, Holder] = {}
        for start in range(0, len(values), _CHUNK):
            some = values[start : start + _CHUNK]
            marks = ", ".join(["%s"] * len(some))
            self._cursor.execute(
                f"SELECT value, kind, namespace, name, uid FROM store_claim WHERE pool = %s AND value IN ({marks})",  # noqa: S608
                [pool, *some],
            )
            found.update({value: Holder(*rest) for value, *rest in self._cursor.fetchall()})
        return found
