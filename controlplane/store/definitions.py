"""The custom kinds that there are at this moment.

Each process keeps what it has made of the CustomResourceDefinitions, and asks the database at each use whether they are
still the same: one short question of a small table's index, which only requests for custom kinds cost. So every process
sees a new definition with the first request after its commit, whether anybody told it or not; nothing has to be followed,
and nothing can be missed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property

import orjson
from django.db import connection

from schema import kinds
from schema.base import Wire
from schema.custom.kinds import Definition, define
from schema.kind import Kind, Version

Stamp = tuple[tuple[str, int], ...]
"""Uid and revision of each definition, in the order of the revisions: what the index holds, nothing else is read."""


@dataclass(frozen=True, eq=False)
class Definitions:
    """Immutable; compared by identity, so that what is worked out from it may be kept with it."""

    stamp: Stamp = ()
    all: tuple[Definition, ...] = ()
    """By name."""
    by_name: dict[str, Definition] = field(default_factory=dict)
    made: dict[tuple[str, int], Definition] = field(default_factory=dict)
    """By uid and revision: what has not changed is not read again."""

    @cached_property
    def versions(self) -> tuple[Version, ...]:
        return tuple(version for each in self.all for version in each.versions)

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """In the versions in which they are served."""
        return tuple(version.kind for version in self.versions)

    @cached_property
    def _by_plural(self) -> dict[tuple[str, str, str], Version]:
        return {(each.kind.group, each.kind.version, each.kind.plural): each for each in self.versions}

    @cached_property
    def _by_kind(self) -> dict[tuple[str, str], Kind]:
        return {(each.kind.api_version, each.kind.kind): each.stored for each in self.versions}

    def version(self, group: str, version: str, plural: str) -> Version | None:
        return self._by_plural.get((group, version, plural))

    def kind(self, api_version: str, kind: str) -> Kind | None:
        """As it is stored."""
        return self._by_kind.get((api_version, kind))


_NONE = Definitions()
_current = _NONE
_lock = threading.Lock()


def current() -> Definitions:
    """As committed now, or as this thread's transaction sees it."""
    global _current
    stamp = _stamp()
    found = _current
    if found.stamp == stamp:
        return found
    with _lock:
        if _current.stamp != stamp:
            made = _read(_current)
            # What an open transaction sees may never come to be: others must not take it for the truth.
            if connection.in_atomic_block:
                return made
            _current = made
        return _current


def by_kind(api_version: str, kind: str) -> Kind | None:
    """Of any kind, built in or custom: ``by_kind("example.com/v1", "Widget")``, as it is stored."""
    return kinds.by_kind(api_version, kind) or (current().kind(api_version, kind) if "/" in api_version else None)


def known(identifier: str) -> Definition | None:
    """By ``widgets.example.com``: as far as this process knows; asks only where it does not."""
    return _current.by_name.get(identifier) or current().by_name.get(identifier)


def is_open(name: str) -> bool:
    """Whether objects of a definition may still be made, by its name; in a transaction it stays so."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT deleted_at FROM store_customresourcedefinition WHERE namespace = '' AND name = %s", [name]
        )
        found = cursor.fetchone()
        return found is not None and not found[0]


def _stamp() -> Stamp:
    with connection.cursor() as cursor:
        cursor.execute("SELECT uid, revision FROM store_customresourcedefinition ORDER BY revision, uid")
        return tuple(cursor.fetchall())


def _read(former: Definitions) -> Definitions:
    """One statement, so what is read and its stamp belong together."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, uid, revision, metadata, deleted_at, spec, status FROM store_customresourcedefinition ORDER BY name"
        )
        rows = cursor.fetchall()
    made = {}
    for row in rows:
        key = (row[1], int(row[2]))
        if _is_established(row[6]):
            made[key] = former.made.get(key) or define(_wire(*row))
    stamp = tuple(sorted(((row[1], row[2]) for row in rows), key=lambda each: (each[1], each[0])))
    return Definitions(stamp, tuple(made.values()), {each.name: each for each in made.values()}, made)


def _wire(name: str, uid: str, revision: int, metadata: str, deleted_at: str, spec: str, status: str) -> Wire:
    head = {**orjson.loads(metadata), "name": name, "uid": uid}
    if deleted_at:
        head["deletionTimestamp"] = deleted_at
    return {"metadata": head, "spec": orjson.loads(spec), "status": orjson.loads(status)}


def _is_established(status: str) -> bool:
    conditions = orjson.loads(status).get("conditions") or () if status else ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
