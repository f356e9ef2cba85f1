"""What the cluster decides about an object that its writer did not: an ordered list of small functions.

Each sees the object after defaulting and before validation, and may change it or refuse it with an `ApiError`. Whether
the namespace exists and still takes objects is the store's to say, inside the transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controlplane.access.identity import Identity
from controlplane.api import errors
from controlplane.builds import logins
from controlplane.registry import autoredeploy, redeploying
from controlplane.store import objects
from controlplane.store.admission import priority, tolerations
from controlplane.store.errors import NotFound
from schema import imagenames, imagepolicy, kinds, quantity, validation
from schema.base import Wire
from schema.defaulting import service
from schema.kinds import Kind
from schema.networking.ingress import DEFAULT_CLASS as DEFAULT_INGRESS_CLASS
from schema.validation import Cause, persistentvolumeclaim, structure


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


def keep_default_tolerations(request: Request) -> None:
    """Who applies the manifest of a pod again does not take away the tolerations that every pod got when it was made."""
    if request.kind is not kinds.POD or request.verb != "update" or request.subresource:
        return
    spec = request.wire.get("spec")
    given = spec.get("tolerations") or [] if isinstance(spec, dict) else None
    if isinstance(given, list) and all(isinstance(each, dict) for each in given):
        request.wire["spec"] = tolerations.admit(request.wire)["spec"]


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


def refuse_images_that_the_namespace_forbids(request: Request) -> None:
    """A pod's image may be changed; whoever writes a workload is told before its pods are refused one by one. New pods are
    the store's to judge, as not only users make them."""
    template = _template(request.kind, request.wire)
    is_new_pod = request.kind is kinds.POD and request.old is None
    if template is None or is_new_pod or request.subresource not in ("", "ephemeralcontainers"):
        return
    before = _template(request.kind, request.old) if request.old is not None else None
    if before is not None and list(imagenames.images_of(before)) == list(imagenames.images_of(template)):
        return  # what was there before the policy may still be scaled, labelled, paused
    namespace = request.wire["metadata"].get("namespace") or ""
    try:
        annotations = objects.get(kinds.NAMESPACE, "", namespace)["metadata"].get("annotations") or {}
    except NotFound:
        return
    path = _TEMPLATES.get(request.kind, "")
    found = imagepolicy.refusals(imagepolicy.of(annotations), template)
    causes = [Cause("FieldValueForbidden", f"Forbidden: {reason}", f"{path}{field}") for field, reason in found]
    if causes:
        raise errors.invalid(request.kind, request.wire["metadata"].get("name") or "", causes)


_TEMPLATES = {
    kinds.DEPLOYMENT: "spec.template.",
    kinds.REPLICA_SET: "spec.template.",
    kinds.REPLICATION_CONTROLLER: "spec.template.",
    kinds.STATEFUL_SET: "spec.template.",
    kinds.DAEMON_SET: "spec.template.",
    kinds.JOB: "spec.template.",
    kinds.CRON_JOB: "spec.jobTemplate.spec.template.",
}


def _template(kind: Kind, wire: Wire) -> Wire | None:
    """The pod spec in an object; None where there is none."""
    if kind is not kinds.POD and kind not in _TEMPLATES:
        return None
    found: object = wire
    for part in (*_TEMPLATES.get(kind, "").split("."), "spec"):
        if not part:
            continue
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def builds_push_into_their_namespace(request: Request) -> None:
    """What a build could never push is refused before it is built."""
    spec = request.wire.get("spec")
    if request.kind is not kinds.BUILD or request.verb != "create" or not isinstance(spec, dict):
        return
    tags = spec.get("tags")
    if spec.get("push") is False or not isinstance(tags, list):
        return
    try:
        namespace = str(request.wire["metadata"].get("namespace") or "")
        logins.check_tags(namespace, [tag for tag in tags if isinstance(tag, str)])
    except logins.Denied as denied:
        raise errors.Forbidden(f"spec.tags: {denied}") from None


PLUGINS: tuple[Callable[[Request], None], ...] = (
    default_service_account,
    default_ingress_class,
    refuse_priority_without_class,
    keep_default_tolerations,
    keep_service_addresses,
    resize_needs_the_class,
    refuse_images_that_the_namespace_forbids,
    hold_to_digests,
    builds_push_into_their_namespace,
)


def admit(request: Request) -> None:
    """Raises `Invalid` for what has a wrong type somewhere: plugins look into objects and may rely on what the schema says."""
    if not structure.readable(request.kind, request.wire):
        causes = validation.validate(request.kind, request.wire, subresource="status")
        raise errors.invalid(request.kind, str(request.wire["metadata"].get("name") or ""), causes)
    for plugin in PLUGINS:
        plugin(request)
