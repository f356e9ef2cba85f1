"""Get and list: what the store gives, in the form that was asked for."""

from __future__ import annotations

from controlplane.api import errors, tables
from controlplane.api.presentation import Form, Presentation
from controlplane.api.query import ListOptions
from controlplane.api.routing import Target
from controlplane.store import objects
from controlplane.store.objects import Page
from schema.base import Wire


def get(target: Target) -> Wire:
    return objects.get(target.kind, target.namespace, target.name)


def page(target: Target, options: ListOptions) -> Page:
    found = objects.list_objects(
        target.kind,
        namespace=target.namespace,
        labels=options.labels,
        fields=options.fields,
        limit=options.limit,
        continue_token=options.continue_token,
    )
    _check_revision(options, found.revision)
    return found


def _check_revision(options: ListOptions, current: int) -> None:
    """There is one version of a list, the newest: an exact older one has expired, a newer one is not there yet."""
    if options.revision is None or options.continue_token:
        return
    if options.revision > current:
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        message = f"Too large resource version: {options.revision}, current: {current}"
        raise errors.Timeout(message, details={"causes": causes}, retry_after_seconds=1)
    if options.match == "Exact" and options.revision != current:
        raise errors.Expired(f"the resource version {options.revision} is no longer available: list without one")


def list_metadata(found: Page) -> Wire:
    metadata: Wire = {"resourceVersion": str(found.revision)}
    if found.continue_token:
        metadata["continue"] = found.continue_token
        if found.remaining is not None:
            metadata["remainingItemCount"] = found.remaining
    return metadata


def present_list(target: Target, found: Page, shown: Presentation, included: str) -> Wire:
    kind, metadata = target.kind, list_metadata(found)
    if shown.form is Form.TABLE:
        return tables.table(kind, found.items, metadata, included=included, version=shown.version)
    if shown.form in (Form.METADATA, Form.METADATA_LIST):
        items = [tables.metadata_only(item, shown.version) for item in found.items]
        api_version = f"meta.k8s.io/{shown.version}"
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": api_version,
            "metadata": metadata,
            "items": items,
        }
    return {
        "kind": f"{kind.kind}List",
        "apiVersion": kind.api_version,
        "metadata": metadata,
        "items": found.items,
    }


def present(target: Target, wire: Wire, shown: Presentation, included: str) -> Wire:
    """A single object. What is no object of the kind (a Status, a Binding) stays as it is."""
    if wire.get("kind") != target.kind.kind:
        return wire
    if shown.form is Form.TABLE:
        metadata = {"resourceVersion": wire.get("metadata", {}).get("resourceVersion", "")}
        return tables.table(target.kind, [wire], metadata, included=included, version=shown.version)
    if shown.form is Form.METADATA:
        return tables.metadata_only(wire, shown.version)
    return wire
