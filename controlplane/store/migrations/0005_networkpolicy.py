"""The table of network policies."""

from controlplane.store.tables import kind_table
from django.db import migrations

KINDS = ("NetworkPolicy",)


class Migration(migrations.Migration):
    dependencies = [('store', '0004_services')]
    operations = [kind_table(name) for name in KINDS]
