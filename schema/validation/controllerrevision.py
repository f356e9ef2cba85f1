"""ControllerRevision: what was is not changed afterwards."""

from __future__ import annotations

from schema.apps.controllerrevision import ControllerRevision
from schema.base import Wire
from schema.validation.causes import Problems


def check(revision: ControllerRevision, problems: Problems) -> None:
    if revision.data is None:
        problems.required("data", "data is mandatory")
    if revision.revision < 0:
        problems.invalid("revision", revision.revision, "must be greater than or equal to 0")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    if new.get("data") != old.get("data"):
        problems.immutable("data", new.get("data"))
