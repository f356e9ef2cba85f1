"""Tables of the kinds for batch work, budgets and quotas. All are alike: none promotes a column."""

from controlplane.store.tables import kind_table
from django.db import migrations

KINDS = ("CronJob", "HorizontalPodAutoscaler", "Job", "LimitRange", "PodDisruptionBudget", "PriorityClass", "ResourceQuota")


class Migration(migrations.Migration):
    dependencies = [('store', '0007_statefulsets')]
    operations = [kind_table(name) for name in KINDS]
