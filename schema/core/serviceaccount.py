"""ServiceAccount: an identity for pods."""

from __future__ import annotations

from typing import Annotated

from schema.base import ListKey, NotYet
from schema.core.reference import LocalObjectReference, ObjectReference
from schema.meta import Object


class ServiceAccount(Object):
    """An identity for programs that run in pods."""

    api_version: str = "v1"
    kind: str = "ServiceAccount"
    secrets: Annotated[list[ObjectReference], ListKey("name")] = []
    """Secrets that pods of this account may use."""
    image_pull_secrets: Annotated[
        list[LocalObjectReference], ListKey("name"), NotYet("only a pod's own imagePullSecrets are used")
    ] = []
    """Secrets with registry credentials, added to pods of this account that name none."""
    automount_service_account_token: Annotated[
        bool | None, NotYet("service account tokens are not mounted", unless=False)
    ] = None
    """Whether pods of this account get a token mounted; a pod's own setting wins."""
