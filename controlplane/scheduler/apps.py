from django.apps import AppConfig


class SchedulerConfig(AppConfig):
    name = "controlplane.scheduler"
    label = "scheduler"
