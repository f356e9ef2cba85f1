"""Every HTTP path of the control plane."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("controlplane.api.urls")),
    path("", include("dashboard.urls")),
]
