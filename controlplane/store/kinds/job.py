from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire
from schema.batch.job import LABEL_NAME, LABEL_UID

_OLD = {LABEL_NAME: "job-name", LABEL_UID: "controller-uid"}
"""Spellings that older tools look for; new pods carry both."""


class Job(Resource):
    class Meta(Resource.Meta):
        db_table = "store_job"


def _prepare(wire: Wire) -> None:
    """A job selects its pods by its own uid, so that nobody else's can be among them."""
    spec, metadata = wire.get("spec") or {}, wire["metadata"]
    own = {LABEL_NAME: metadata["name"], LABEL_UID: metadata["uid"]}
    if spec.get("manualSelector"):
        own.pop(LABEL_UID)
    template = spec.get("template") or {}
    given = template.get("metadata") or {}
    labels = {**(given.get("labels") or {}), **own, **{_OLD[name]: value for name, value in own.items()}}
    prepared = {**spec, "template": {**template, "metadata": {**given, "labels": labels}}}
    if not spec.get("manualSelector"):
        prepared["selector"] = {"matchLabels": {LABEL_UID: metadata["uid"]}}
    wire["spec"] = prepared


STORAGE = Storage(kinds.JOB, Job, prepare=_prepare)
