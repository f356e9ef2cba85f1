"""The tables of the first release. `replaces`: what they grew from, so that a home made on the way needs nothing done."""

from __future__ import annotations

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

ID = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))
OF_A_NODE = ~Q(node="")


class Migration(migrations.Migration):
    initial = True
    replaces = [("access", "0001_tokens_and_grants"), ("access", "0002_join_tokens")]
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.CreateModel(
            name="Grant",
            fields=[
                ID,
                ("role", models.CharField(choices=[("view", "View"), ("edit", "Edit"), ("admin", "Admin")], max_length=8)),
                ("namespace", models.CharField(blank=True, max_length=63)),
                (
                    "group",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, related_name="grants", to="auth.group"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(group__isnull=True, user__isnull=False) | Q(group__isnull=False, user__isnull=True),
                        name="grant_to_user_or_group",
                    ),
                    models.CheckConstraint(condition=Q(role__in=["view", "edit", "admin"]), name="grant_of_known_role"),
                    models.UniqueConstraint(
                        fields=("user", "namespace"), condition=Q(user__isnull=False), name="grant_per_user_namespace"
                    ),
                    models.UniqueConstraint(
                        fields=("group", "namespace"), condition=Q(group__isnull=False), name="grant_per_group_namespace"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Token",
            fields=[
                ID,
                ("name", models.CharField(max_length=253)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("node", models.CharField(blank=True, max_length=253)),
                ("node_uid", models.CharField(blank=True, max_length=36)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("expires", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["node"], condition=OF_A_NODE, name="token_by_node")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(node="", user__isnull=False) | (Q(user__isnull=True) & OF_A_NODE),
                        name="token_of_user_or_node",
                    ),
                    models.UniqueConstraint(
                        fields=("user", "name"), condition=Q(user__isnull=False), name="token_name_per_user"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="JoinToken",
            fields=[
                ("id", models.CharField(max_length=16, primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=32)),
                ("description", models.CharField(blank=True, max_length=253)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("created_by", models.CharField(blank=True, max_length=253)),
                ("expires", models.DateTimeField()),
                ("revoked", models.BooleanField(default=False)),
                ("used", models.PositiveIntegerField(default=0)),
                ("uses", models.PositiveIntegerField(null=True)),
            ],
        ),
    ]
