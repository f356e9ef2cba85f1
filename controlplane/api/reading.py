"""Get and list: what the store gives, in the form that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from controlplane.api import errors, rendering, tables
from controlplane.api.presentation import Form, Presentation
from controlplane.api.query import ListOptions
from controlplane.api.routing import Target
from controlplane.store import errors as store
from controlplane.store import objects
from controlplane.store.objects import Page
from schema.base import Wire
from schema.kinds import Kind

_T = TypeVar("_T")


def get(target: Target, shown: Presentation, included: str) -> Wire | bytes:
    """A plain object is passed on as it is stored, without being parsed."""
    if shown.form is Form.PLAIN and target.version is None:
        return objects.get_encoded(target.kind, target.namespace, target.name)
    return present(target, objects.get(target.kind, target.namespace, target.name), shown, included)


def page(target: Target, options: ListOptions) -> Page[Wire]:
    return _checked(options, lambda: objects.list_objects(target.kind, **_selection(target, options)))


def page_encoded(target: Target, options: ListOptions) -> Page[bytes]:
    found = _checked(options, lambda: objects.list_encoded(target.kind, **_selection(target, options)))
    if target.version is None:
        return found
    return replace(found, items=[rendering.dumps(target.shown(orjson.loads(item))) for item in found.items])


def _selection(target: Target, options: ListOptions) -> dict[str, Any]:
    return {
        "namespace": target.namespace,
        "labels": options.labels,
        "fields": options.fields,
        "limit": options.limit,
        "continue_token": options.continue_token,
    }


def _checked(options: ListOptions, read: Callable[[], Page[_T]]) -> Page[_T]:
    try:
        found = read()
    except store.Invalid as error:
        raise errors.BadRequest(str(error)) from None
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


def _list_metadata(found: Page[Any]) -> Wire:
    metadata: Wire = {"resourceVersion": str(found.revision)}
    if found.continue_token:
        metadata["continue"] = found.continue_token
        if found.remaining is not None:
            metadata["remainingItemCount"] = found.remaining
    return metadata


def list_(target: Target, options: ListOptions, shown: Presentation, included: str) -> Wire | bytes:
    if shown.form is Form.PLAIN:
        return _encoded_list(target.served, page_encoded(target, options))
    found = page(target, options)
    if shown.form is Form.TABLE:
        return tables.table(
            target.ruling,
            found.items,
            _list_metadata(found),
            included=included,
            version=shown.version,
            shown=target.shown,
        )
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{shown.version}",
        "metadata": _list_metadata(found),
        "items": [tables.metadata_only(target.shown(item), shown.version) for item in found.items],
    }


def _encoded_list(kind: Kind, found: Page[bytes]) -> bytes:
    head = {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": _list_metadata(found)}
    return b'%b,"items":[%b]}' % (rendering.dumps(head)[:-1], b",".join(found.items))


def present(target: Target, wire: Wire, shown: Presentation, included: str) -> Wire:
    """A single object. What is no object of the kind (a Status, a Binding) stays as it is."""
    if wire.get("kind") != target.kind.kind:
        return wire
    if shown.form is Form.TABLE:
        metadata = {"resourceVersion": wire.get("metadata", {}).get("resourceVersion", "")}
        return tables.table(
            target.ruling,
            [wire],
            metadata,
            included=included,
            version=shown.version,
            shown=target.shown,
        )
    if shown.form is Form.METADATA:
        return tables.metadata_only(target.shown(wire), shown.version)
    return target.shown(wire)
