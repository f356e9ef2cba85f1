from django.apps import AppConfig


class ControllersConfig(AppConfig):
    name = "controlplane.controllers"
    label = "controllers"
