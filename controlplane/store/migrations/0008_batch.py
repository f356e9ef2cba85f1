"""Tables of the kinds for batch work, budgets and quotas. All are alike: none promotes a column."""

import controlplane.store.resource
from django.db import migrations, models

TABLES = (
    ("CronJob", "store_cronjob"),
    ("HorizontalPodAutoscaler", "store_horizontalpodautoscaler"),
    ("Job", "store_job"),
    ("LimitRange", "store_limitrange"),
    ("PodDisruptionBudget", "store_poddisruptionbudget"),
    ("PriorityClass", "store_priorityclass"),
    ("ResourceQuota", "store_resourcequota"),
)


def _table(name, table):
    return migrations.CreateModel(
        name=name,
        fields=[
            ("uid", controlplane.store.resource.Text(max_length=36, primary_key=True, serialize=False)),
            ("namespace", controlplane.store.resource.Text(blank=True, max_length=63)),
            ("name", controlplane.store.resource.Text(max_length=253)),
            ("revision", models.BigIntegerField()),
            ("generation", models.BigIntegerField()),
            ("created_at", controlplane.store.resource.Text(max_length=20)),
            ("deleted_at", controlplane.store.resource.Text(blank=True, max_length=20)),
            ("grace_seconds", models.BigIntegerField(null=True)),
            ("labels", models.TextField()),
            ("metadata", models.TextField()),
            ("spec", models.TextField()),
            ("status", models.TextField(blank=True)),
        ],
        options={
            "db_table": table,
            "abstract": False,
            "constraints": [models.UniqueConstraint(fields=("namespace", "name"), name=f"{table}_key")],
        },
    )


class Migration(migrations.Migration):
    dependencies = [('store', '0007_statefulsets')]
    operations = [_table(name, table) for name, table in TABLES]
