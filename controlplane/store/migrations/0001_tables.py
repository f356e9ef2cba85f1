"""The tables of the first release.

`replaces` names what they grew from, so that a home that was made on the way to it needs nothing done.
"""

from __future__ import annotations

from controlplane.store.resource import Serial, Text
from controlplane.store.tables import kind_table
from django.db import migrations, models

BESIDE_THE_KINDS = [
    migrations.CreateModel(
        name="Revision",
        fields=[
            ("id", Serial(primary_key=True, serialize=False)),
            ("value", models.BigIntegerField()),
            ("compacted", models.BigIntegerField()),
        ],
    ),
    migrations.CreateModel(
        name="Change",
        fields=[
            ("revision", Serial(primary_key=True, serialize=False)),
            ("kind", Text(max_length=128)),
            ("namespace", Text(blank=True, max_length=63)),
            ("name", Text(max_length=253)),
            ("uid", Text(max_length=36)),
            ("type", Text(max_length=8)),
            ("object", models.TextField()),
            ("previous", models.TextField(blank=True)),
            ("replaces", models.BigIntegerField()),
            ("at", models.FloatField()),
        ],
        options={"indexes": [models.Index(fields=["at"], name="store_change_at")]},
    ),
    migrations.CreateModel(
        name="Label",
        fields=[
            ("pk", models.CompositePrimaryKey("uid", "key", blank=True, editable=False, primary_key=True, serialize=False)),
            ("uid", Text(max_length=36)),
            ("key", Text(max_length=317)),
            ("value", Text(blank=True, max_length=63)),
            ("kind", Text(max_length=128)),
        ],
        options={"indexes": [models.Index(fields=["kind", "key", "value", "uid"], name="store_label_value")]},
    ),
    migrations.CreateModel(
        name="Owner",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "uid", "owner_uid", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("uid", Text(max_length=36)),
            ("owner_uid", Text(max_length=36)),
            ("kind", Text(max_length=128)),
        ],
        options={"indexes": [models.Index(fields=["owner_uid", "kind", "uid"], name="store_owner_dependents")]},
    ),
    migrations.CreateModel(
        name="Claim",
        fields=[
            (
                "pk",
                models.CompositePrimaryKey(
                    "pool", "value", blank=True, editable=False, primary_key=True, serialize=False
                ),
            ),
            ("pool", Text(max_length=32)),
            ("value", Text(max_length=64)),
            ("kind", Text(max_length=128)),
            ("namespace", Text(blank=True, max_length=63)),
            ("name", Text(max_length=253)),
            ("uid", Text(max_length=36)),
        ],
    ),
    migrations.CreateModel(
        name="Process",
        fields=[
            ("id", Text(max_length=36, primary_key=True, serialize=False)),
            ("renewed_at", models.FloatField()),
        ],
    ),
]

WITH_COLUMNS_OF_THEIR_OWN = [
    kind_table(
        "Event",
        promoted=[
            ("regarding_uid", Text(blank=True, max_length=253)),
            ("regarding_name", Text(blank=True, max_length=253)),
        ],
        indexes=[
            models.Index(fields=["regarding_name", "namespace"], name="store_event_regarding"),
            models.Index(fields=["regarding_uid"], name="store_event_regarding_uid"),
        ],
    ),
    kind_table(
        "PersistentVolume",
        promoted=[
            ("claim", Text(blank=True, max_length=320)),
            ("node_name", Text(blank=True, max_length=253)),
            ("phase", Text(blank=True, max_length=16)),
        ],
        indexes=[
            models.Index(fields=["claim"], name="store_volume_claim"),
            models.Index(fields=["node_name"], name="store_volume_node"),
            models.Index(fields=["phase"], name="store_volume_phase"),
        ],
    ),
    kind_table(
        "PersistentVolumeClaim",
        promoted=[("phase", Text(blank=True, max_length=16))],
        indexes=[models.Index(fields=["phase"], name="store_claim_phase")],
    ),
    kind_table(
        "Pod",
        promoted=[
            ("node_name", Text(blank=True, max_length=253)),
            ("phase", Text(blank=True, max_length=16)),
            ("cpu_millis", models.BigIntegerField()),
            ("memory_bytes", models.BigIntegerField()),
            ("ephemeral_bytes", models.BigIntegerField()),
            ("priority", models.IntegerField()),
        ],
        indexes=[
            models.Index(
                fields=["node_name", "phase", "cpu_millis", "memory_bytes", "ephemeral_bytes"], name="store_pod_node"
            )
        ],
    ),
    kind_table("Service", promoted=[("cluster_ip", Text(blank=True, max_length=45))]),
]

ALIKE = """
    Build ConfigMap ControllerRevision CronJob DaemonSet Deployment EndpointSlice Endpoints HorizontalPodAutoscaler Image
    Ingress IngressClass Job Lease LimitRange Namespace NetworkPolicy Node PodDisruptionBudget PriorityClass ReplicaSet
    ReplicationController Repository ResourceQuota Secret ServiceAccount StatefulSet StorageClass Trigger
"""


class Migration(migrations.Migration):
    initial = True
    replaces = [
        ("store", name)
        for name in (
            "0001_initial",
            "0004_services",
            "0005_networkpolicy",
            "0006_deployments",
            "0007_statefulsets",
            "0008_batch",
            "0009_processes",
            "0010_ingress",
            "0014_registry",
            "0015_builds",
            "0016_images",
        )
    ]
    dependencies: list[tuple[str, str]] = []
    operations = [*BESIDE_THE_KINDS, *WITH_COLUMNS_OF_THEIR_OWN, *map(kind_table, ALIKE.split())]
