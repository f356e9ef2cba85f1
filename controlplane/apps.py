from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    """Holds the management commands."""

    name = "controlplane"
    label = "controlplane"
