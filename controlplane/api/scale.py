"""The subresource ``scale``: replicas of whatever declares it, in one shape (``autoscaling/v1`` Scale).

Its kinds keep ``spec.replicas``, ``spec.selector`` and ``status.replicas``, custom ones where
their definition says. Writing a Scale writes spec.replicas of the
object, with all its checks; a resourceVersion in the Scale is a precondition on the object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as with_changes

from controlplane.api import errors, writing
from controlplane.api.bodies import Body
from controlplane.api.routing import Target
from controlplane.api.writing import Write
from controlplane.store import objects
from schema.autoscaling.scale import Scale
from schema.base import Wire
from schema.custom import scales
from schema.kind import Kind
from schema.validation import Cause, Problems, structure

SCALE = Kind(
    group="autoscaling", version="v1", kind="Scale", plural="scales", singular="scale", namespaced=True, model=Scale
)
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def of(kind: Kind, wire: Wire) -> Wire:
    """The Scale of an object."""
    metadata = wire["metadata"]
    shown: Wire = {"replicas": scales.observed(kind, wire)}
    if selector := scales.selector(kind, wire):
        shown["selector"] = selector
    return {
        "apiVersion": SCALE.api_version,
        "kind": SCALE.kind,
        "metadata": {name: metadata[name] for name in _SHOWN if name in metadata},
        "spec": {"replicas": scales.replicas(kind, wire)},
        "status": shown,
    }


def read(target: Target) -> Wire:
    return of(target.ruling, target.shown(objects.get(target.kind, target.namespace, target.name)))


def replace(write: Write, body: Body) -> Wire:
    given = body.value
    if not isinstance(given, dict):
        raise errors.BadRequest("the body must be a Scale object")
    return _write(write, lambda present: given)


def patch(write: Write, content_type: str, body: Body) -> Wire:
    return _write(write, writing.patch_of(SCALE, content_type, body))


def _write(write: Write, make: Callable[[Wire], Wire]) -> Wire:
    whole = with_changes(write, target=with_changes(write.target, subresource=""))

    def change(old: Wire) -> Wire:
        wanted = _checked(write.target, make(of(write.ruling, old)))
        given = {name: wanted["metadata"][name] for name in ("uid", "resourceVersion") if wanted["metadata"].get(name)}
        scaled = scales.with_replicas(write.ruling, old, (wanted.get("spec") or {}).get("replicas", 0))
        return {**scaled, "metadata": {**old["metadata"], **given}}

    return of(write.ruling, writing.update(whole, change))


def _checked(target: Target, wanted: Wire) -> Wire:
    for name, expected in (("apiVersion", SCALE.api_version), ("kind", SCALE.kind)):
        if wanted.setdefault(name, expected) != expected:
            raise errors.BadRequest(f"the {name} in the data ({wanted[name]}) does not match ({expected})")
    problems = Problems()
    structure.read(SCALE, wanted, problems)
    if problems.causes:
        raise errors.invalid(SCALE, target.name, problems.causes)
    metadata = wanted.setdefault("metadata", {})
    for name, expected in (("name", target.name), ("namespace", target.namespace)):
        if metadata.setdefault(name, expected) != expected:
            cause = Cause("FieldValueInvalid", f"Invalid value: must be {expected}", f"metadata.{name}")
            raise errors.invalid(SCALE, target.name, [cause])
    return wanted
