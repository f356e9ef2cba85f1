"""Every HTTP path of the control plane. Paths of the API may end in a slash: some clients send one."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path

from controlplane.api import discovery, health, metrics, openapi, streams, version, views

_GROUP = r"(?P<group>[a-z0-9.-]+)"
_VERSION = r"(?P<version>v[a-z0-9]+)"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.live),
    path("livez", health.live),
    path("readyz", health.ready),
    path("metrics", metrics.MetricsView.as_view()),
    re_path(r"^version/?$", version.VersionView.as_view()),
    re_path(r"^api/?$", discovery.DiscoveryView.as_view(core=True)),
    re_path(r"^apis/?$", discovery.DiscoveryView.as_view(core=False)),
    re_path(rf"^api/{_VERSION}/?$", discovery.ResourceListView.as_view()),
    re_path(rf"^apis/{_GROUP}/?$", discovery.GroupView.as_view()),
    re_path(rf"^apis/{_GROUP}/{_VERSION}/?$", discovery.ResourceListView.as_view()),
    re_path(r"^openapi/v3/?$", openapi.IndexView.as_view()),
    re_path(rf"^openapi/v3/api/{_VERSION}$", openapi.DocumentView.as_view()),
    re_path(rf"^openapi/v3/apis/{_GROUP}/{_VERSION}$", openapi.DocumentView.as_view()),
    re_path(r"^openapi/", openapi.AbsentView.as_view()),
    *streams.urlpatterns,
    re_path(r"^apis?/", views.ResourceView.as_view()),
    path("", include("dashboard.urls")),
]
