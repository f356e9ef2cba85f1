"""The table of a kind, for migrations: the columns of `resource.Resource`, which every kind has, and its promoted ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import migrations, models

from controlplane.store.resource import Text

Column = tuple[str, "models.Field[Any, Any]"]


def kind_table(
    name: str,
    *,
    promoted: Sequence[Column] = (),
    indexes: Sequence[models.Index] = (),
    key: Sequence[str] = ("namespace", "name"),
) -> migrations.CreateModel:
    """``kind_table("Pod", …)`` makes store_pod. As it was at the first release: what changes later is a migration."""
    table = f"store_{name.lower()}"
    columns: list[Column] = [
        ("uid", Text(max_length=36, primary_key=True, serialize=False)),
        ("namespace", Text(blank=True, max_length=63)),
        ("name", Text(max_length=253)),
        ("revision", models.BigIntegerField()),
        ("generation", models.BigIntegerField()),
        ("created_at", Text(max_length=20)),
        ("deleted_at", Text(blank=True, max_length=20)),
        ("grace_seconds", models.BigIntegerField(null=True)),
        ("labels", models.TextField()),
        ("metadata", models.TextField()),
        ("spec", models.TextField()),
        ("status", models.TextField(blank=True)),
    ]
    options: dict[str, Any] = {
        "db_table": table,
        "abstract": False,
        "constraints": [models.UniqueConstraint(fields=tuple(key), name=f"{table}_key")],
    }
    if indexes:
        options["indexes"] = list(indexes)
    return migrations.CreateModel(name=name, fields=[*columns, *promoted], options=options)
