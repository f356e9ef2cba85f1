"""The paths of the API, each with or without a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, re_path

from controlplane.api import (
    ancestry,
    builds,
    certificates,
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
    usage_histories,
    usage_history,
    version,
    views,
    why,
)
from controlplane.api.registry import collections, manifests, notifications, status, tags, token, triggers

_GROUP = r"(?P<group>[^/]+)"
_VERSION = r"(?P<version>[^/]+)"
_REPOSITORY = r"apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/repositories/(?P<name>[^/]+)"

PREFIXES = ("/agent", "/api", "/apis", "/openapi", "/version", "/healthz", "/livez", "/readyz", "/metrics")
"""What `asgi` serves without Django's own handler."""

urlpatterns: list[URLPattern] = [
    *streams.urlpatterns,
    re_path(
        r"^apis/metrics\.k8s\.io/v1beta1/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<plural>pods|nodes)(?:/(?P<name>[^/]+))?/?$",
        usage.UsageView.as_view(),
    ),
    re_path(r"^apis/slipway\.dev/v1/metrics/nodes/(?P<name>[^/]+)/?$", usage_history.UsageHistoryView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/metrics/nodes/?$", usage_histories.UsageHistoriesView.as_view()),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/metrics/(?P<plural>[a-z]+)/?$",
        usage_histories.UsageHistoriesView.as_view(),
    ),
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
    re_path(r"^apis/slipway\.dev/v1/certificates/?$", certificates.CertificatesView.as_view()),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/secrets/(?P<name>[^/]+)/reveal/?$",
        reveal.RevealView.as_view(),
    ),
    re_path(r"^apis/slipway\.dev/v1/dependents/(?P<uid>[^/]+)/?$", dependents.DependentsView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/images/(?P<name>[^/]+)/ancestry/?$", ancestry.ImageAncestryView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/imageancestry/?$", ancestry.ReferencedImageAncestryView.as_view()),
    *builds.urlpatterns,
    re_path(r"^apis/slipway\.dev/v1/registry/token/?$", token.view),
    re_path(r"^apis/slipway\.dev/v1/registry/notifications/?$", notifications.view),
    re_path(r"^apis/slipway\.dev/v1/registry/?$", status.StatusView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/registry/collections/?$", collections.CollectionsView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/registry/collections/(?P<number>[0-9]+)/?$", collections.CollectionView.as_view()),
    re_path(r"^apis/slipway\.dev/v1/hooks/(?P<uid>[^/]+)/(?P<secret>[^/]+)/?$", triggers.hook),
    re_path(
        r"^apis/slipway\.dev/v1/namespaces/(?P<namespace>[^/]+)/triggers/(?P<name>[^/]+)/secret/?$",
        triggers.SecretView.as_view(),
    ),
    re_path(rf"^{_REPOSITORY}/tags/?$", tags.TagsView.as_view()),
    re_path(rf"^{_REPOSITORY}/tags/(?P<tag>[^/]+)/?$", tags.TagView.as_view()),
    re_path(rf"^{_REPOSITORY}/manifests/(?P<digest>[^/]+)/?$", manifests.ManifestView.as_view()),
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
    re_path(r"^openapi/v2/?$", openapi.EmptyView.as_view()),
    re_path(r"^agent/v1/ca/?$", joining.AuthorityView.as_view()),
    re_path(r"^agent/v1/join/?$", joining.JoinView.as_view()),
    re_path(r"^agent/v1/credential/?$", joining.CredentialView.as_view()),
    re_path(r"^version/?$", version.VersionView.as_view()),
    re_path(r"^(?:livez|healthz)(?:/(?P<check>[a-z]+))?/?$", health.HealthView.as_view()),
    re_path(r"^readyz(?:/(?P<check>[a-z]+))?/?$", health.HealthView.as_view(checks=health.READY, title="readyz")),
    re_path(r"^metrics/?$", metrics.MetricsView.as_view()),
]
