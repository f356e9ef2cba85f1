from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "controlplane.store"
    label = "store"
