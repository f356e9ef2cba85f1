"""Triggers at work: their secrets, and what a POST does.

A secret is 256 random bits, shown once and kept as its digest, compared in constant time. Making a new one makes the former
worthless; so does deleting the Trigger, and a later Trigger of the same name has none. Whoever holds it can do the one
thing that the Trigger names, and learns nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from typing import Any

from controlplane.controllers.events import Record, record_many
from controlplane.registry.errors import RegistryError
from controlplane.registry.models import TriggerSecret
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import Patch
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind

audit = logging.getLogger("slipway.audit")

COMPONENT = "trigger"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
_KINDS: dict[str, Kind] = {
    kind.kind: kind
    for kind in (
        kinds.DEPLOYMENT,
        kinds.STATEFUL_SET,
        kinds.DAEMON_SET,
        kinds.REPLICA_SET,
        kinds.REPLICATION_CONTROLLER,
    )
}


class Unknown(RegistryError):
    """There is no such trigger, or the secret is not its."""


class BadRequest(RegistryError):
    """What was sent cannot be acted upon."""


class Refused(RegistryError):
    """It cannot be done at present."""


@dataclass(frozen=True)
class Done:
    message: str


def issue(trigger: Wire, *, by: str) -> str:
    """A new secret for it, which is the only one from now on."""
    secret = secrets.token_urlsafe(32)
    metadata, now = trigger["metadata"], meta.now()
    TriggerSecret.objects.update_or_create(
        trigger=metadata["uid"],
        defaults={
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "digest": _digest(secret),
            "issued": now,
            "issued_by": by,
        },
    )
    _set_status(trigger, {"secretIssuedAt": meta.format_time(now)})
    audit.info("trigger %s/%s: %s made a new address", metadata["namespace"], metadata["name"], by)
    return secret


def revoke(trigger: Wire, *, by: str) -> bool:
    """Whether there was one."""
    metadata = trigger["metadata"]
    gone = TriggerSecret.objects.filter(trigger=metadata["uid"]).delete()[0]
    _set_status(trigger, {"secretIssuedAt": None})
    audit.info("trigger %s/%s: %s revoked its address", metadata["namespace"], metadata["name"], by)
    return bool(gone)


def find(uid: str, secret: str) -> Wire:
    """The Trigger whose address this is. Raises `Unknown`, whatever is wrong."""
    known = TriggerSecret.objects.filter(trigger=uid).first()
    # Compared in any case, so that an unknown id takes as long as a wrong secret.
    right = hmac.compare_digest(_digest(secret), bytes(known.digest) if known is not None else bytes(32))
    if known is None or not right:
        raise Unknown("there is no trigger at this address")
    try:
        trigger = objects.get(kinds.TRIGGER, known.namespace, known.name)
    except NotFound:
        trigger = None
    if trigger is None or trigger["metadata"]["uid"] != uid or "deletionTimestamp" in trigger["metadata"]:
        known.delete()
        raise Unknown("there is no trigger at this address")
    return trigger


def act(trigger: Wire, asked: Any, *, address: str) -> Done:
    """Raises `BadRequest` and `Refused`."""
    spec, metadata = trigger["spec"], trigger["metadata"]
    if spec.get("suspend"):
        raise Refused("the trigger is suspended")
    target = spec["target"]
    kind = _KINDS[target["kind"]]
    done = _scale(kind, trigger, asked) if spec["action"] == "Scale" else _redeploy(kind, trigger, asked)
    audit.info("trigger %s/%s: %s (from %s)", metadata["namespace"], metadata["name"], done.message, address)
    _set_status(trigger, {"lastUsed": meta.format_time(meta.now()), "lastResult": done.message}, used=True)
    return done


def _redeploy(kind: Kind, trigger: Wire, asked: Any) -> Done:
    if isinstance(asked, dict) and "replicas" in asked:
        raise BadRequest("replicas: this trigger redeploys, it does not scale")

    def change(stored: Wire) -> Wire:
        template = stored["spec"]["template"]
        metadata = template.get("metadata") or {}
        annotations = {**(metadata.get("annotations") or {}), RESTARTED: meta.format_micro_time(meta.now())}
        renewed = {**template, "metadata": {**metadata, "annotations": annotations}}
        return {**stored, "spec": {**stored["spec"], "template": renewed}}

    return _write(kind, trigger, change, "Redeployed", f"{kind.kind} {trigger['spec']['target']['name']} is redeployed")


def _scale(kind: Kind, trigger: Wire, asked: Any) -> Done:
    replicas = wanted_replicas(trigger["spec"], asked)

    def change(stored: Wire) -> Wire:
        return {**stored, "spec": {**stored["spec"], "replicas": replicas}}

    name = trigger["spec"]["target"]["name"]
    return _write(kind, trigger, change, "Scaled", f"{kind.kind} {name} is scaled to {replicas}")


def wanted_replicas(spec: Wire, asked: Any) -> int:
    """Pure. Raises `BadRequest`."""
    if spec.get("replicas") is not None:
        return int(spec["replicas"])
    given = asked.get("replicas") if isinstance(asked, dict) else None
    if not isinstance(given, int) or isinstance(given, bool):
        raise BadRequest('replicas: a whole number is needed, such as {"replicas": 3}')
    least, most = int(spec.get("minReplicas") or 0), int(spec["maxReplicas"])
    if not least <= given <= most:
        raise BadRequest(f"replicas: {given} is not between {least} and {most}")
    return given


def _write(kind: Kind, trigger: Wire, change: Any, reason: str, message: str) -> Done:
    namespace, name = trigger["metadata"]["namespace"], trigger["spec"]["target"]["name"]
    try:
        target = objects.get(kind, namespace, name)
        if "deletionTimestamp" in target["metadata"]:
            raise NotFound(f"{name} is being deleted", kind=kind, name=name)
        objects.mutate(kind, namespace, name, change)
    except NotFound:
        raise Refused(f"there is no {kind.kind} {name}") from None
    by = f"{message} by trigger {trigger['metadata']['name']}"
    record_many(
        [Record(target, "Normal", reason, by, COMPONENT), Record(trigger, "Normal", reason, message, COMPONENT)]
    )
    return Done(message)


def _set_status(trigger: Wire, fields: Wire, *, used: bool = False) -> None:
    metadata = trigger["metadata"]

    def change(stored: Wire) -> Wire:
        status = {**(stored.get("status") or {}), **fields}
        if used:
            status["used"] = int(status.get("used") or 0) + 1
        return {**stored, "status": {key: value for key, value in status.items() if value is not None}}

    objects.write_many(
        [Patch(kinds.TRIGGER, metadata["namespace"], metadata["name"], change, "status", metadata["uid"])]
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
