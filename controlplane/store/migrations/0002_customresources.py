import controlplane.store.resource
from controlplane.store.tables import kind_table
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0001_tables'),
    ]

    operations = [
        kind_table(
            "CustomResourceDefinition",
            indexes=[models.Index(fields=['revision', 'uid'], name='store_definition_revision')],
        ),
        kind_table(
            "CustomResource",
            promoted=[('api_group', controlplane.store.resource.Text(max_length=253)), ('resource', controlplane.store.resource.Text(max_length=63))],
            indexes=[models.Index(fields=['namespace', 'api_group', 'resource'], name='store_custom_namespace')],
            key=('api_group', 'resource', 'namespace', 'name'),
        ),
    ]
