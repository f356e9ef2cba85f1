"""What the cluster decides about an object that its writer did not: an ordered list of small functions.

Each sees the object after defaulting and before validation, and may change it or refuse it with an `ApiError`. Whether
the namespace exists and still takes objects is the store's to say, inside the transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controlplane.access.identity import Identity
from controlplane.api import errors
from controlplane.registry import autoredeploy, redeploying
from controlplane.store import objects
from controlplane.store.admission import priority
from controlplane.store.errors import NotFound
from schema import kinds, quantity
from schema.base import Wire
from schema.defaulting import service
from schema.kinds import Kind
from schema.networking.ingress import DEFAULT_CLASS as DEFAULT_INGRESS_CLASS
from schema.validation import Cause, persistentvolumeclaim


@dataclass(frozen=True)
class Request:
    """``verb`` is create or update. ``wire`` may be changed in place; ``old`` is None for a new object."""

    kind: Kind
    verb: str
    identity: Identity
    wire: Wire
    old: Wire | None
    subresource: str = ""


def default_service_account(request: Request) -> None:
    """A pod without a service account runs as its namespace's ``default``."""
    if request.kind is not kinds.POD or request.verb != "create":
        return
    spec = request.wire.get("spec")
    if not isinstance(spec, dict):
        return
    spec["serviceAccountName"] = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccount"] = spec["serviceAccountName"]


def keep_service_addresses(request: Request) -> None:
    """Who replaces a service without naming its addresses and node ports does not give them up."""
    if request.kind is kinds.SERVICE and request.old is not None and request.subresource != "status":
        service.inherit(request.wire, request.old)


def resize_needs_the_class(request: Request) -> None:
    """A claim may ask for more only where its class allows it."""
    if request.kind is not kinds.PERSISTENT_VOLUME_CLAIM or request.old is None or request.subresource:
        return
    was, wanted = (persistentvolumeclaim.requested(one.get("spec") or {}) for one in (request.old, request.wire))
    if was == wanted or not (quantity.valid(was) and quantity.valid(wanted)) or quantity.compare(wanted, was) <= 0:
        return
    name = str(request.old["spec"].get("storageClassName") or "")
    if not _allows_expansion(name):
        raise errors.invalid(
            request.kind,
            request.old["metadata"]["name"],
            [
                Cause(
                    "FieldValueForbidden",
                    f'Forbidden: only claims of a class that allows expansion can be resized, and "{name}" does not',
                    "spec.resources.requests.storage",
                )
            ],
        )


def _allows_expansion(name: str) -> bool:
    try:
        return bool(name) and bool(objects.get(kinds.STORAGE_CLASS, "", name).get("allowVolumeExpansion"))
    except NotFound:
        return False


def refuse_priority_without_class(request: Request) -> None:
    """A pod gets its number from its class; the store lets others (controllers, tests) write it down."""
    spec = request.wire.get("spec")
    if request.kind is not kinds.POD or request.verb != "create" or not isinstance(spec, dict):
        return
    if isinstance(spec.get("priority"), int):
        found = objects.list_objects(kinds.PRIORITY_CLASS).items
        classes = [priority.read(each["metadata"]["name"], each) for each in found]
        priority.check_number(request.wire["metadata"].get("name") or "", request.wire, classes)


def default_ingress_class(request: Request) -> None:
    """An Ingress that names no class gets the default one; of several the newest, as in Kubernetes."""
    if request.kind is not kinds.INGRESS or request.verb != "create":
        return
    spec = request.wire.get("spec")
    annotations = (request.wire.get("metadata") or {}).get("annotations") or {}
    if not isinstance(spec, dict) or spec.get("ingressClassName") or annotations.get("kubernetes.io/ingress.class"):
        return
    marked = [
        (one["metadata"]["creationTimestamp"], one["metadata"]["name"])
        for one in objects.list_objects(kinds.INGRESS_CLASS).items
        if (one["metadata"].get("annotations") or {}).get(DEFAULT_INGRESS_CLASS) == "true"
    ]
    if marked:
        spec["ingressClassName"] = max(marked)[1]


def hold_to_digests(request: Request) -> None:
    """A workload with autoredeploy begins with the digests that its tags mean now, so that the first push is an update of
    something, and one that is changed to another image goes there in one step."""
    if request.kind not in redeploying.WORKLOADS or request.subresource:
        return
    if not isinstance(request.wire.get("spec"), dict):
        return
    changed = autoredeploy.released(request.wire)
    if changed is None and autoredeploy.is_asked(request.wire):
        template = request.wire["spec"].get("template")
        if not isinstance(template, dict) or not isinstance(template.get("spec"), dict):
            return
        known = redeploying.known_of(request.wire)
        new = [move for move in autoredeploy.moves(request.wire, known, {}) if move.first]
        changed = autoredeploy.moved(request.wire, new)
    if changed is not None:
        request.wire.update(changed)


PLUGINS: tuple[Callable[[Request], None], ...] = (
    default_service_account,
    default_ingress_class,
    refuse_priority_without_class,
    keep_service_addresses,
    resize_needs_the_class,
    hold_to_digests,
)


def admit(request: Request) -> None:
    for plugin in PLUGINS:
        plugin(request)
