"""Delete and deletecollection, with options from the body or the query."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from controlplane.api import errors, query
from controlplane.api.bodies import Body
from controlplane.api.query import ListOptions, Query
from controlplane.api.routing import Target
from controlplane.store import errors as store_errors
from controlplane.store import objects
from schema.base import Wire
from schema.meta import DeleteOptions

PAGE = 500
POLICIES = ("Background", "Foreground", "Orphan")


def options(parameters: Query, body: Body | None) -> DeleteOptions:
    """What the body says wins over the query."""
    given = body.value if body is not None and body.value is not None else {}
    if not isinstance(given, dict):
        raise errors.BadRequest("the body of a delete must be a DeleteOptions object")
    if given.get("kind", "DeleteOptions") != "DeleteOptions":
        raise errors.BadRequest(f"the body of a delete must be DeleteOptions, not {given['kind']}")
    asked = {key: value for key, value in {**_from_query(parameters), **given}.items() if value is not None}
    if "orphanDependents" in asked and "propagationPolicy" in asked:
        raise _invalid("propagationPolicy", "orphanDependents and propagationPolicy cannot be both set")
    if asked.pop("orphanDependents", None) is True:
        asked.setdefault("propagationPolicy", "Orphan")
    try:
        found = DeleteOptions.parse(asked)
    except ValidationError as error:
        raise _invalid(".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]) from None
    if found.propagation_policy and found.propagation_policy not in POLICIES:
        raise _invalid("propagationPolicy", f"must be one of {', '.join(POLICIES)}")
    if any(each != "All" for each in found.dry_run or ()):
        raise _invalid("dryRun", 'the only supported value is "All"')
    return found


def _from_query(parameters: Query) -> Wire:
    found: dict[str, Any] = {
        "gracePeriodSeconds": query.integer(parameters, "gracePeriodSeconds"),
        "propagationPolicy": parameters.get("propagationPolicy") or None,
        "orphanDependents": query.flag(parameters, "orphanDependents") or None,
        "dryRun": [parameters["dryRun"]] if parameters.get("dryRun") else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _invalid(field: str, message: str) -> errors.Invalid:
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": field}]
    details = {"kind": "DeleteOptions", "group": "meta.k8s.io", "causes": causes}
    return errors.Invalid(f'DeleteOptions.meta.k8s.io "" is invalid: {field}: {message}', details=details)


def delete(target: Target, asked: DeleteOptions) -> Wire:
    """The object for kinds whose clients expect it, else a Status with the uid."""
    done = objects.delete(target.kind, target.namespace, target.name, options=asked, dry_run=bool(asked.dry_run))
    if target.kind.delete_returns_object:
        return done.object
    uid = str(done.object.get("metadata", {}).get("uid", ""))
    return success(errors.details(target.kind, target.name, uid=uid))


def delete_collection(target: Target, selection: ListOptions, asked: DeleteOptions) -> Wire:
    token = ""
    while True:
        found = objects.list_objects(
            target.kind,
            namespace=target.namespace,
            labels=selection.labels,
            fields=selection.fields,
            limit=PAGE,
            continue_token=token,
        )
        for item in found.items:
            _delete_listed(target, item, asked)
        token = found.continue_token
        if not token:
            return success(errors.details(target.kind, ""))


def _delete_listed(target: Target, item: Wire, asked: DeleteOptions) -> None:
    metadata = item["metadata"]
    try:
        objects.delete(
            target.kind,
            metadata.get("namespace", ""),
            metadata["name"],
            options=asked,
            dry_run=bool(asked.dry_run),
        )
    except store_errors.NotFound:
        return  # gone in the meantime: that is what was wanted


def success(details: Wire) -> Wire:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
