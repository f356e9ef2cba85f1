"""A node may have a range of each family."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("nodes", "0001_ranges_and_positions")]

    operations = [
        migrations.AddField("podrange", "family", models.PositiveSmallIntegerField(default=4)),
        migrations.AlterField("podrange", "node", models.CharField(max_length=253)),
        migrations.AddConstraint(
            "podrange", models.UniqueConstraint(fields=["node", "family"], name="one_range_of_a_family")
        ),
    ]
