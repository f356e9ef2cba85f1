from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StoreConfig(AppConfig):
    name = "controlplane.store"
    label = "store"

    def ready(self) -> None:
        from controlplane.store.initial import after_migrate

        post_migrate.connect(after_migrate, sender=self, dispatch_uid="store.initial")
