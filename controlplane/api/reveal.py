"""A Secret with its values, for somebody who asks to see them: ``POST …/namespaces/<ns>/secrets/<name>/reveal``.

The dashboard's own watch never carries values (`masked`). Who may get the Secret may reveal it; that it was done, and by whom,
stands in an Event of the Secret and in the log.
"""

from __future__ import annotations

import logging

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.controllers import events
from controlplane.store import objects
from schema import kinds
from schema.base import Wire

log = logging.getLogger(__name__)

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl writes the whole object into it, values too."""


class RevealView(ApiView):
    http_method_names = ["post"]

    def post(self, request: Request, namespace: str, name: str) -> Response:
        self.kind, self.name = kinds.SECRET, name
        user = self.identity.name
        if not authorization.allowed(self.identity, "get", kinds.SECRET, namespace, name):
            raise errors.forbidden("get", kinds.SECRET, user=user, namespace=namespace, name=name, subresource="reveal")
        secret = objects.get(kinds.SECRET, namespace, name)
        log.info("secret %s/%s revealed to %s", namespace, name, user)
        events.record(
            secret,
            severity="Normal",
            reason="SecretRevealed",
            message=f"The values were shown to {user}",
            component="slipway-api",
        )
        return Response(secret)


def masked(secret: Wire) -> Wire:
    """The Secret with its keys and none of its values."""
    metadata = secret.get("metadata", {})
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        kept = {key: value for key, value in metadata["annotations"].items() if key != LAST_APPLIED}
        metadata = {**metadata, "annotations": kept}
    shown = {**secret, "metadata": metadata}
    if secret.get("data"):
        shown["data"] = dict.fromkeys(secret["data"], "")
    return shown
