"""Tables of the workloads that keep pods running and roll them forward. All are alike: none promotes a column."""

from controlplane.store.tables import kind_table
from django.db import migrations

KINDS = ("Deployment", "ReplicaSet", "ReplicationController")


class Migration(migrations.Migration):
    dependencies = [('store', '0005_networkpolicy')]
    operations = [kind_table(name) for name in KINDS]
