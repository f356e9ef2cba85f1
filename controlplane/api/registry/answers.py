"""What the views of the registry share."""

from __future__ import annotations

from django.http import HttpResponse

from controlplane.access import authorization
from controlplane.api import errors, rendering
from controlplane.api.base import ApiView
from controlplane.api.errors import ApiError
from controlplane.registry import setting
from controlplane.store import objects
from schema import kinds
from schema.base import Wire

API_VERSION = "slipway.dev/v1"


def refusal(error: ApiError) -> HttpResponse:
    """For views without DRF."""
    return HttpResponse(
        rendering.dumps(error.status()), status=error.code, content_type=rendering.JSON, headers=error.headers()
    )


def repository(view: ApiView, verb: str, namespace: str, name: str, subresource: str) -> Wire:
    """The Repository, if they may. Raises `Forbidden`, `NotFound`."""
    view.kind, view.name = kinds.REPOSITORY, name
    if not authorization.allowed(view.identity, verb, kinds.REPOSITORY, namespace, name):
        user = view.identity.name
        raise errors.forbidden(
            verb, kinds.REPOSITORY, user=user, namespace=namespace, name=name, subresource=subresource
        )
    require_registry()
    return objects.get(kinds.REPOSITORY, namespace, name)


def require_registry() -> None:
    if not setting.enabled():
        raise errors.ServiceUnavailable("the cluster's registry is switched off (SLIPWAY_REGISTRY_PORT=0)")


def require_keeper(view: ApiView, verb: str) -> None:
    """Who may look after the whole registry: those who may delete repositories in every namespace."""
    if not authorization.allowed(view.identity, "delete" if verb == "create" else "list", kinds.REPOSITORY, "", ""):
        raise errors.Forbidden(
            f'collections.registry.slipway.dev is forbidden: User "{view.identity.name}" cannot {verb} them: '
            "it takes the role edit in the whole cluster"
        )
    require_registry()


SUCCESS: Wire = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"}
