"""The paths of the API, each with or without a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from controlplane.api import (
    dependents,
    discovery,
    exposure,
    health,
    joining,
    metrics,
    openapi,
    reveal,
    streams,
    usage,
    usage_history,
    version,
    views,
    why,
)

_GROUP = r"(?P<group>[^/]+)"
_VERSION = r"(?P<version>[^/]+)"

PREFIXES = ("/agent", "/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/metrics")
"""What `asgi` serves without Django's own handler."""

urlpatterns: list[URLPattern] = [
    *streams.urlpatterns,
    re_path(
        r"^apis/metrics\.k8s\.io/v1beta1/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<plural>pods|nodes)(?:/(?P<name>[^/]+))?/?$",
        usage.UsageView.as_view(),
    ),
    re_path(r"^apis/slipway\.dev/v1/metrics/nodes/(?P<name>[^/]+)/?$", usage_history.UsageHistoryView.as_view()),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/metrics/(?P<plural>[a-z]+)/(?P<name>[^/]+)/?$",
        usage_history.UsageHistoryView.as_view(),
    ),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/services/(?P<name>[^/]+)/exposure/?$",
        exposure.ServiceExposureView.as_view(),
    ),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/pods/(?P<name>[^/]+)/exposure/?$",
        exposure.PodExposureView.as_view(),
    ),
    re_path(
        rf"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/(?P<plural>{why.PLURALS})/(?P<name>[^/]+)/why/?$",
        why.WhyView.as_view(),
    ),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/secrets/(?P<name>[^/]+)/reveal/?$",
        reveal.RevealView.as_view(),
    ),
    re_path(r"^apis/slipway\.dev/v1/dependents/(?P<uid>[^/]+)/?$", dependents.DependentsView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/jointokens/?$", joining.JoinTokensView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/jointokens/(?P<token>[^/]+)/?$", joining.JoinTokenView.as_view()),
    re_path(r"^(?:api/[^/]+|apis/[^/]+/[^/]+)/[^/]", views.ResourceView.as_view()),
    re_path(rf"^api/{_VERSION}/?$", discovery.ResourceListView.as_view()),
    re_path(rf"^apis/{_GROUP}/{_VERSION}/?$", discovery.ResourceListView.as_view()),
    re_path(rf"^apis/{_GROUP}/?$", discovery.GroupView.as_view()),
    re_path(r"^api/?$", discovery.DiscoveryView.as_view(core=True)),
    re_path(r"^apis/?$", discovery.DiscoveryView.as_view()),
    re_path(r"^openapi/v3/?$", openapi.IndexView.as_view()),
    re_path(rf"^openapi/v3/api/{_VERSION}/?$", openapi.DocumentView.as_view()),
    re_path(rf"^openapi/v3/apis/{_GROUP}/{_VERSION}/?$", openapi.DocumentView.as_view()),
    re_path(r"^openapi/v2/?$", openapi.AbsentView.as_view()),
    re_path(r"^agent/v1/ca/?$", joining.AuthorityView.as_view()),
    re_path(r"^agent/v1/join/?$", joining.JoinView.as_view()),
    re_path(r"^agent/v1/credential/?$", joining.CredentialView.as_view()),
    re_path(r"^version/?$", version.VersionView.as_view()),
    re_path(r"^(?:livez|healthz)(?:/(?P<check>[a-z]+))?/?$", health.HealthView.as_view()),
    re_path(r"^readyz(?:/(?P<check>[a-z]+))?/?$", health.HealthView.as_view(checks=health.READY, title="readyz")),
    re_path(r"^metrics/?$", metrics.MetricsView.as_view()),
]
