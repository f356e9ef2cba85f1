"""What the store needs to know about a kind: its table, what is promoted to a column, what is a selectable field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.db import models

from controlplane.store.claims import Claim, Claims
from controlplane.store.resource import Resource
from schema.base import Wire
from schema.kinds import Kind

if TYPE_CHECKING:
    from controlplane.store.codec import Row

COLUMNS = (
    "uid",
    "namespace",
    "name",
    "revision",
    "generation",
    "created_at",
    "deleted_at",
    "grace_seconds",
    "labels",
    "metadata",
    "spec",
    "status",
)
"""Of every kind, in the order of reading and writing."""


def _nothing(wire: Wire) -> dict[str, Any]:
    return {}


def _unchanged(wire: Wire) -> None:
    return None


def _no_claims(wire: Wire) -> Mapping[Claim, str]:
    return {}


def _complete(claims: Claims, wire: Wire, old: Wire | None) -> None:
    return None


@dataclass(frozen=True, eq=False)
class Storage:
    kind: Kind
    model: type[Resource]
    promoted: tuple[str, ...] = ()
    """Columns beyond `COLUMNS`."""
    promote: Callable[[Wire], Mapping[str, Any]] = _nothing
    """Their values, from a whole object."""
    field_columns: Mapping[str, str] = field(default_factory=dict)
    """Selectable fields that SQL can answer: path to column."""
    prepare: Callable[[Wire], None] = _unchanged
    """What a new object of the kind is born with, in place (top level only: what is below is shared). It has its name and
    uid already."""
    claims: Callable[[Wire], Mapping[Claim, str]] = _no_claims
    """What an object shows that no other may have, each with the field that shows it."""
    complete: Callable[[Claims, Wire, Wire | None], None] = _complete
    """Fill in, under the lock and in place, what the cluster gives an object that is created or changed. May raise
    `Invalid`. It gets the object as it was, if there was one."""
    settle: Callable[[Row, Iterable[Row]], Wire] | None = None
    """The status that follows from an object and from the others of its kind, worked out under the lock at each write."""
    encrypted: bool = False
    """Content, annotations and history are sealed at rest."""
    shares: Mapping[str, str] = field(default_factory=dict)
    """Columns whose values tell the kind's rows from those of others in the same table."""

    @property
    def completes(self) -> bool:
        return self.complete is not _complete

    @cached_property
    def id(self) -> str:
        """How history, labels and owners name the kind."""
        return self.kind.group_resource

    @cached_property
    def flat(self) -> bool:
        """The content lies at the top level instead of under ``spec``."""
        return "spec" not in self.kind.model.model_fields

    @cached_property
    def status_is_content(self) -> bool:
        """The status is written with the rest: a custom kind without the subresource."""
        return self.kind.custom is not None and not self.kind.has_status

    @cached_property
    def json_prefix(self) -> bytes:
        """How the JSON text of every object begins."""
        return f'{{"apiVersion":"{self.kind.api_version}","kind":"{self.kind.kind}",'.encode()

    @cached_property
    def table(self) -> str:
        return self.model._meta.db_table

    @cached_property
    def rows(self) -> str:
        """What to select from: the table, or that part of it which is the kind's. The values are names that hold no quote."""
        if not self.shares:
            return self.table
        ours = " AND ".join(f"{column} = '{value}'" for column, value in self.shares.items())
        return f"(SELECT * FROM {self.table} WHERE {ours}) AS own"  # noqa: S608

    def query(self) -> models.QuerySet[Resource]:
        return self.model._default_manager.filter(**self.shares)

    @cached_property
    def columns(self) -> str:
        return ", ".join(self.column_names)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return COLUMNS + self.promoted

    @cached_property
    def insert_sql(self) -> str:
        marks = ", ".join(["%s"] * len(self.column_names))
        return f"INSERT INTO {self.table} ({self.columns}) VALUES ({marks})"  # noqa: S608

    @cached_property
    def update_sql(self) -> str:
        """All but uid, namespace and name; the last two parameters are uid and the revision it was read at."""
        sets = ", ".join(f"{column} = %s" for column in self.column_names[3:])
        return f"UPDATE {self.table} SET {sets} WHERE uid = %s AND revision = %s"  # noqa: S608

    @cached_property
    def delete_sql(self) -> str:
        return f"DELETE FROM {self.table} WHERE uid = %s AND revision = %s"  # noqa: S608
