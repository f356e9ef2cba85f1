"""Create, replace and patch: from a body to what the store is given.

Each write goes the same way: read the body's shape, take from the path and from the stored object what the body may not
decide, default, admit, validate, store. Updates do all of it inside the store's compare-and-swap, so what is validated
is what is stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from controlplane.access.identity import Identity
from controlplane.api import admission, errors, parsers, patching
from controlplane.api.bodies import Body
from controlplane.api.query import FieldValidation, WriteOptions
from controlplane.api.routing import Target
from controlplane.store import errors as store_errors
from controlplane.store import objects
from schema import kinds, validation
from schema.base import Wire
from schema.kind import Unconvertible
from schema.kinds import Kind
from schema.validation import Cause

SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
"""Of metadata: the store's alone, whatever a body says."""
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_GENERATED_BASE_LENGTH = 63 - _SUFFIX_LENGTH
_GENERATE_ATTEMPTS = 8
_MOST_FIELDS_NAMED = 32
"""Of unknown and repeated fields, in one answer."""
_TEXTS = ("name", "namespace", "generateName", "uid", "resourceVersion")


@dataclass(frozen=True)
class Write:
    """One write request. ``warnings`` become Warning headers."""

    target: Target
    options: WriteOptions
    identity: Identity
    warnings: list[str] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        return self.target.kind

    @property
    def ruling(self) -> Kind:
        """The kind whose rules it is held to."""
        return self.target.ruling

    @property
    def served(self) -> Kind:
        """The kind in the version that the body is of."""
        return self.target.served


def create(write: Write, body: Body) -> Wire:
    if write.served.custom is not None and write.served.custom.terminating:
        raise errors.MethodNotAllowed("create not allowed while custom resource definition is terminating")
    wire = _read_object(write, body)
    _check_fields(write, wire, body)
    metadata = _own_namespace(write.target, wire)
    if metadata.get("resourceVersion"):
        raise errors.BadRequest("resourceVersion should not be set on objects to be created")
    for name in (*SYSTEM_FIELDS, "resourceVersion", "managedFields", "selfLink"):
        metadata.pop(name, None)
    wire = _stored(write, wire)
    # A node describes itself when it registers; every other status has to be observed first.
    if write.kind.has_status and write.kind is not kinds.NODE:
        wire.pop("status", None)
    if metadata.get("name") or not metadata.get("generateName"):
        return _store_new(write, wire)
    return _create_generated(write, wire)


def _create_generated(write: Write, wire: Wire) -> Wire:
    base = str(wire["metadata"]["generateName"])[:_GENERATED_BASE_LENGTH]
    for attempt in range(_GENERATE_ATTEMPTS):
        candidate = _copy(wire)
        candidate["metadata"]["name"] = base + "".join(secrets.choice(_SUFFIX_LETTERS) for _ in range(_SUFFIX_LENGTH))
        try:
            return _store_new(write, candidate)
        except store_errors.AlreadyExists:
            if attempt == _GENERATE_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _store_new(write: Write, wire: Wire) -> Wire:
    validation.default(write.kind, wire)
    admission.admit(admission.Request(write.kind, "create", write.identity, wire, None))
    _refuse_invalid(write.kind, wire, validation.validate(write.ruling, wire))
    write.warnings.extend(validation.unsupported(write.kind, wire))
    return objects.create(write.kind, wire, dry_run=write.options.dry_run)


def replace(write: Write, body: Body) -> Wire:
    wire = _read_object(write, body)
    _check_fields(write, wire, body)
    _own_namespace(write.target, wire)
    _check_name(write, wire)
    return update(write, lambda old: _stored(write, _copy(wire)))


def patch(write: Write, content_type: str, body: Body) -> Wire:
    apply = patch_of(write.served, content_type, body)
    checked = False

    def change(old: Wire) -> Wire:
        nonlocal checked
        patched = apply(write.target.shown(old))
        _check_type(write.served, patched)
        if not checked:  # once, however often a conflict makes us try again
            _check_fields(write, patched, body)
            checked = True
        _refuse_malformed_metadata(write.kind, patched)
        _check_name(write, patched)
        return _stored(write, patched)

    return update(write, change)


def patch_of(kind: Kind, content_type: str, body: Body) -> Callable[[Wire], Wire]:
    """What a patch makes of an object: one of its own, whatever the patch shares with the old one."""
    media, given = parsers.media_type(content_type), body.value
    if media == parsers.STRATEGIC_PATCH and kind.custom is not None:
        offered = f"{parsers.JSON_PATCH}, {parsers.MERGE_PATCH}"
        raise errors.UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {offered}"
        )
    if media == parsers.JSON_PATCH and not isinstance(given, list):
        raise errors.BadRequest("a JSON patch is a list of operations")
    if media != parsers.JSON_PATCH and not isinstance(given, dict):
        raise errors.BadRequest("a patch must be an object")

    def apply(old: Wire) -> Wire:
        patched = _apply_patch(kind, media, old, given)
        if not isinstance(patched, dict):
            raise errors.BadRequest("the patch leaves something that is not an object")
        return _copy(patched)

    return apply


def _apply_patch(kind: Kind, media: str, old: Wire, given: Any) -> Any:
    if media == parsers.JSON_PATCH:
        return patching.json_patch(old, given)
    if media == parsers.MERGE_PATCH:
        return patching.merge_patch(old, given)
    return patching.strategic_merge(kind, old, given)


def update(write: Write, make: Callable[[Wire], Wire]) -> Wire:
    """What ``make`` makes of the stored object, checked and stored; ``make`` may be called several times."""
    target = write.target

    def change(old: Wire) -> Wire | None:
        new = make(old)
        _check_preconditions(write, old, new)
        new = _keep(write, old, new)
        if new == old:
            return None
        validation.default(write.kind, new)
        admission.admit(admission.Request(write.kind, "update", write.identity, new, old, target.subresource))
        causes = validation.validate(write.ruling, new, old, subresource=target.subresource)
        _refuse_invalid(write.kind, new, causes)
        write.warnings.extend(validation.unsupported(write.kind, new))
        return None if new == old else new

    return objects.mutate(
        target.kind,
        target.namespace,
        target.name,
        change,
        subresource=target.subresource,
        dry_run=write.options.dry_run,
    )


def _keep(write: Write, old: Wire, new: Wire) -> Wire:
    """What the body may not change: the other half (spec or status), identity, and the fields of the store."""
    if write.target.subresource == "status":
        kept = _copy({key: value for key, value in old.items() if key != "status"})
        if write.target.version is not None and write.kind.custom is None:  # it has not all of the stored one
            return kept | {"status": {**_copy(old.get("status") or {}), **(new.get("status") or {})}}
        return kept | {"status": new["status"]} if "status" in new else kept
    if write.target.subresource == "finalize":
        spec = new.get("spec") if isinstance(new.get("spec"), dict) else {}
        return _copy({**old, "spec": {**old.get("spec", {}), "finalizers": (spec or {}).get("finalizers") or []}})
    if write.target.subresource == "ephemeralcontainers":
        spec = new.get("spec") if isinstance(new.get("spec"), dict) else {}
        return _copy(
            {**old, "spec": {**old["spec"], "ephemeralContainers": (spec or {}).get("ephemeralContainers") or []}}
        )
    new = {**new, "apiVersion": old["apiVersion"], "kind": old["kind"]}
    if write.kind.has_status:
        new.pop("status", None)
        new |= {"status": _copy(old["status"])} if "status" in old else {}
    stored = {name: old["metadata"][name] for name in (*SYSTEM_FIELDS, "resourceVersion") if name in old["metadata"]}
    ours = (*SYSTEM_FIELDS, "resourceVersion", "managedFields", "selfLink")
    new["metadata"] = {name: value for name, value in new["metadata"].items() if name not in ours} | stored
    return new


def _copy(wire: Wire) -> Wire:
    copied: Wire = orjson.loads(orjson.dumps(wire))  # several times faster than deepcopy
    return copied


def _check_preconditions(write: Write, old: Wire, new: Wire) -> None:
    """A resourceVersion or uid in the body says which object the client means."""
    given, stored = new["metadata"], old["metadata"]
    if given.get("resourceVersion") and given["resourceVersion"] != stored["resourceVersion"]:
        raise errors.conflict(write.kind, write.target.name)
    if given.get("uid") and given["uid"] != stored["uid"]:
        why = f"Precondition failed: UID in precondition: {given['uid']}, UID in object meta: {stored['uid']}"
        raise errors.conflict(write.kind, write.target.name, why)


# -- the body's shape


def _stored(write: Write, wire: Wire) -> Wire:
    """The object in the version that is stored. What is wrong in its structure is named in the words of its own."""
    version = write.target.version
    if version is None:
        return wire
    validation.default(version.kind, wire)
    if version.kind.custom is not None:  # it is held to that version's rules as a whole, once it is put together
        return version.to_stored(wire)
    _refuse_invalid(version.kind, wire, validation.validate(version.kind, wire, subresource="status"))
    try:
        return version.to_stored(wire)
    except Unconvertible as error:
        cause = Cause("FieldValueInvalid", error.message, error.field)
        raise errors.invalid(write.kind, str(wire["metadata"].get("name") or ""), [cause]) from error


def _read_object(write: Write, body: Body) -> Wire:
    wire = body.value
    if not isinstance(wire, dict):
        raise errors.BadRequest("the body must be an object" if wire is not None else "the request has no body")
    _check_type(write.served, wire)
    _refuse_malformed_metadata(write.kind, wire)
    return wire


def _check_type(kind: Kind, wire: Wire) -> None:
    """Absent apiVersion and kind are those of the path."""
    for name, expected in (("apiVersion", kind.api_version), ("kind", kind.kind)):
        given = wire.get(name)
        if given in (None, ""):
            wire[name] = expected
        elif given != expected:
            raise errors.BadRequest(f"the {name} in the data ({given}) does not match the expected one ({expected})")


def _refuse_malformed_metadata(kind: Kind, wire: Wire) -> None:
    """What is read before validation must have the right type already."""
    metadata = wire.setdefault("metadata", {})
    if metadata is None:
        metadata = wire["metadata"] = {}
    if not isinstance(metadata, dict):
        raise errors.invalid(kind, "", [Cause("FieldValueTypeInvalid", "must be an object", "metadata")])
    wrong = [name for name in _TEXTS if not isinstance(metadata.get(name, ""), str | None)]
    causes = [Cause("FieldValueTypeInvalid", "must be text", f"metadata.{name}") for name in wrong]
    _refuse_invalid(kind, wire, causes)
    for name in [key for key in _TEXTS if metadata.get(key, "") is None]:
        del metadata[name]


def _own_namespace(target: Target, wire: Wire) -> Wire:
    """The metadata, its namespace that of the path."""
    metadata: Wire = wire["metadata"]
    given = metadata.get("namespace", "")
    if given and given != target.namespace:
        raise errors.BadRequest(
            f"the namespace of the provided object ({given}) does not match the namespace sent on the request"
            f" ({target.namespace or 'none: this kind has no namespace'})"
        )
    metadata.pop("namespace", None)
    if target.namespace:
        metadata["namespace"] = target.namespace
    return metadata


def _check_name(write: Write, wire: Wire) -> None:
    metadata = wire["metadata"]
    given = metadata.setdefault("name", write.target.name)
    if given != write.target.name:
        raise errors.BadRequest(
            f"the name of the object ({given}) does not match the name on the URL ({write.target.name})"
        )
    given = metadata.setdefault("namespace", write.target.namespace) if write.kind.namespaced else ""
    if given != write.target.namespace:
        raise errors.BadRequest("the namespace of the object does not match the namespace on the URL")


def _check_fields(write: Write, wire: Wire, body: Body) -> None:
    """Fields we do not know or that come twice: refused, warned of or ignored, as the request says."""
    if write.options.field_validation is FieldValidation.IGNORE:
        return
    sentences = [f'unknown field "{path}"' for path in validation.unknown_fields(write.served, wire)]
    sentences += [f'duplicate field "{path}"' for path in body.duplicates()]
    if not sentences:
        return
    if len(sentences) > _MOST_FIELDS_NAMED:
        sentences = [*sentences[:_MOST_FIELDS_NAMED], f"{len(sentences) - _MOST_FIELDS_NAMED} more of the kind"]
    if write.options.field_validation is FieldValidation.STRICT:
        raise errors.BadRequest(
            f"{write.kind.kind} in version {write.served.api_version} cannot be handled as a {write.kind.kind}:"
            f" strict decoding error: {', '.join(sentences)}"
        )
    write.warnings.extend(sentences)


def _refuse_invalid(kind: Kind, wire: Wire, causes: list[Cause]) -> None:
    if causes:
        metadata = wire["metadata"]
        name = metadata.get("name") or metadata.get("generateName") or ""
        raise errors.invalid(kind, name if isinstance(name, str) else "", causes)
