"""The tables of the first release. `replaces`: what they grew from, so that a home made on the way needs nothing done."""

from __future__ import annotations

from django.db import migrations, models

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    initial = True
    replaces = [("nodes", "0001_ranges_and_positions"), ("nodes", "0003_dual_stack")]
    dependencies: list[tuple[str, str]] = []
    operations = [
        migrations.CreateModel(
            name="PodRange",
            fields=[
                ID,
                ("node", models.CharField(max_length=253)),
                ("cidr", models.CharField(max_length=43, unique=True)),
                ("family", models.PositiveSmallIntegerField(default=4)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("node", "family"), name="one_range_of_a_family")],
            },
        ),
        migrations.CreateModel(
            name="ReportPosition",
            fields=[
                ID,
                ("node", models.CharField(max_length=253, unique=True)),
                ("agent", models.CharField(blank=True, max_length=64)),
                ("sequence", models.BigIntegerField(default=0)),
            ],
        ),
    ]
