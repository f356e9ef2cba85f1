"""A host becomes a node: a join token is exchanged for the node's own credential, which is renewed before it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from controlplane.access import joining, tokens
from controlplane.access.errors import JoinRefused
from controlplane.access.models import Token
from controlplane.nodes import liveness, sessions
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds

CREDENTIAL_LIFE = timedelta(days=30)
"""The agent renews it at half of that."""
OVERLAP = timedelta(minutes=10)
"""How long a credential that was renewed still works: the answer with the new one may have been lost."""
SETTLING = timedelta(seconds=30)
"""A credential this young that has not registered yet belongs to a host that is joining at this moment."""


@dataclass(frozen=True)
class Credential:
    node: str
    token: str
    expires: datetime


def join(token: str, node: str) -> Credential:
    """Raises `JoinRefused` (401, 403, 409) and `InvalidName`."""
    record = joining.check(token)
    tokens.check_node_name(node)
    with transaction.atomic():
        _check_free(node)
        joining.use(record)
        expires = timezone.now() + CREDENTIAL_LIFE
        return Credential(node, tokens.issue_for_node(node, expires=expires), expires)


def renew(node: str, digest: bytes) -> Credential | None:
    """None if the credential of that digest was revoked a moment ago."""
    expires = timezone.now() + CREDENTIAL_LIFE
    token = tokens.rotate_for_node(node, digest, expires=expires, overlap=OVERLAP)
    return None if token is None else Credential(node, token, expires)


def revoke(node: str) -> bool:
    """The node's credentials end, and its session with them, at once. Whether it had any."""
    count = tokens.revoke(node=node)
    sessions.tell(node, "check")
    return count > 0


def rotate(node: str) -> bool:
    """Have the node renew its credential now; False if no process holds its session."""
    return sessions.tell(node, "rotate")


def _check_free(node: str) -> None:
    """A name may be taken over from a node that is silent (a host that was set up anew), never from a live one."""
    try:
        found = objects.get(kinds.NODE, "", node)
    except NotFound:
        if Token.objects.filter(node=node, node_uid="", created__gt=timezone.now() - SETTLING).exists():
            raise JoinRefused(
                409, f"another host is joining as {node!r} at this moment; choose another name with --node-name"
            ) from None
        return
    ready = liveness.ready_condition(found)
    if ready is not None and ready.get("status") == "True":
        raise JoinRefused(
            409,
            f"there is a live node named {node!r} already; choose another name with --node-name, or remove that node "
            f"first (kubectl delete node {node})",
        )
