from django.apps import AppConfig


class ControllersConfig(AppConfig):
    name = "controlplane.controllers"
    label = "controllers"

    def ready(self) -> None:
        from controlplane.controllers import queue
        from controlplane.store.signals import committed

        committed.connect(queue.on_committed, dispatch_uid="controllers.queue")
