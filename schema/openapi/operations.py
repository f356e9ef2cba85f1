"""Paths and operations of the kinds."""

from __future__ import annotations

from schema.base import Wire
from schema.kinds import Kind
from schema.meta import DeleteOptions, Status
from schema.openapi.schemas import Schemas, gvk

_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


def paths(kind: Kind, schemas: Schemas) -> Wire:
    """All paths of a kind: collection, item, status, and the collection over all namespaces."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    work = _Operations(kind, schemas)
    found = {
        collection: work.collection(),
        f"{collection}/{{name}}": work.item(),
    }
    if kind.namespaced:
        found[f"{root}/{kind.plural}"] = work.everywhere()
    if kind.has_status:
        found[f"{collection}/{{name}}/status"] = work.status()
    return found


def _query(name: str, description: str, kind: str = "string") -> Wire:
    return {"name": name, "in": "query", "description": description, "schema": {"type": kind, "uniqueItems": True}}


def _path(name: str, description: str) -> Wire:
    parameter = {"name": name, "in": "path", "description": description, "required": True}
    return {**parameter, "schema": {"type": "string", "uniqueItems": True}}


_PRETTY = _query("pretty", "Accepted and ignored.")
_LISTING = [
    _query("allowWatchBookmarks", "Send bookmarks while watching.", "boolean"),
    _query("continue", "Get the next piece of a list."),
    _query("fieldSelector", "Only objects whose fields have these values."),
    _query("labelSelector", "Only objects with such labels."),
    _query("limit", "At most so many objects in one answer.", "integer"),
    _query("resourceVersion", "The state from which to list or watch."),
    _query("resourceVersionMatch", "How resourceVersion is meant."),
    _query("sendInitialEvents", "Begin a watch with all objects there are.", "boolean"),
    _query("timeoutSeconds", "End a watch after so many seconds.", "integer"),
    _query("watch", "Watch instead of listing.", "boolean"),
]
_WRITING = [
    _query("dryRun", "All: go through the motions and store nothing."),
    _query("fieldManager", "Who makes this change."),
    _query("fieldValidation", "Unknown and duplicate fields: Ignore, Warn (default) or Strict, which refuses them."),
]
_DELETING = [
    _query("dryRun", "All: go through the motions and store nothing."),
    _query("gracePeriodSeconds", "Seconds the object may take to end; 0 ends it at once.", "integer"),
    _query("orphanDependents", "Old spelling of propagationPolicy=Orphan.", "boolean"),
    _query("propagationPolicy", "Background, Foreground or Orphan."),
]


class _Operations:
    """The operations of one kind."""

    def __init__(self, kind: Kind, schemas: Schemas) -> None:
        self.kind = kind
        self.object = schemas.of_kind(kind)
        self.list = schemas.of_list(kind)
        self.options = schemas.of(DeleteOptions)
        self.answer = schemas.of(Status)
        schemas.mark(self.options, {"group": "", "version": "v1", "kind": "DeleteOptions"})
        schemas.mark(self.answer, {"group": "", "version": "v1", "kind": "Status"})
        self.namespace = [_path("namespace", "Namespace of the object.")] if kind.namespaced else []

    def collection(self) -> Wire:
        found = {"get": self._operation("list", "List or watch", self.list, _LISTING)}
        found["post"] = self._operation("post", "Create", self.object, _WRITING, body=self.object, code="201")
        if "deletecollection" in self.kind.verbs:
            parameters = [*_LISTING, *_DELETING]
            found["delete"] = self._operation(
                "deletecollection", "Delete all", self.answer, parameters, body=self.options, optional=True
            )
        return {"parameters": [*self.namespace, _PRETTY], **found}

    def everywhere(self) -> Wire:
        found = self._operation(
            "list", "List or watch in all namespaces", self.list, _LISTING, suffix="ForAllNamespaces"
        )
        return {"parameters": [_PRETTY], "get": found}

    def item(self) -> Wire:
        deleted = self.object if self.kind.delete_returns_object else self.answer
        return {
            "parameters": self._item_parameters(),
            **self._read_and_write(),
            "delete": self._operation("delete", "Delete", deleted, _DELETING, body=self.options, optional=True),
        }

    def status(self) -> Wire:
        return {"parameters": self._item_parameters(), **self._read_and_write(suffix="Status")}

    def _item_parameters(self) -> list[Wire]:
        return [*self.namespace, _path("name", "Name of the object."), _PRETTY]

    def _read_and_write(self, suffix: str = "") -> Wire:
        force = _query("force", "Take over fields that others manage; for server-side apply only.", "boolean")
        patch = self._operation("patch", "Change parts", self.object, [*_WRITING, force], suffix=suffix)
        patch["requestBody"] = {
            "required": True,
            "content": {each: {"schema": {"type": "object"}} for each in self._patches()},
        }
        return {
            "get": self._operation("get", "Read", self.object, [], suffix=suffix),
            "put": self._operation("put", "Replace", self.object, _WRITING, body=self.object, suffix=suffix),
            "patch": patch,
        }

    def _patches(self) -> tuple[str, ...]:
        """Only types say how their lists are merged."""
        return _PATCHES if self.kind.custom is None else _PATCHES[:2]

    def _operation(
        self,
        action: str,
        verb: str,
        answer: Wire,
        parameters: list[Wire],
        *,
        body: Wire | None = None,
        optional: bool = False,
        code: str = "200",
        suffix: str = "",
    ) -> Wire:
        operation: Wire = {
            "description": f"{verb}: {self.kind.plural}.",
            "operationId": _operation_id(self.kind, action, suffix),
            "tags": [f"{self.kind.group or 'core'}_{self.kind.version}"],
            "parameters": parameters,
            "responses": {
                code: {"description": "OK", "content": _content(answer)},
                "401": {"description": "Unauthorized"},
            },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(self.kind, self.kind.kind),
        }
        if body is not None:
            operation["requestBody"] = {"required": not optional, "content": _content(body)}
        return operation


def _content(schema: Wire) -> Wire:
    return {"application/json": {"schema": schema}}


_VERBS = {"post": "create", "put": "replace", "get": "read", "deletecollection": "deleteCollection"}


def _operation_id(kind: Kind, action: str, suffix: str) -> str:
    """As Kubernetes names them, since generated clients take their method names from it."""
    group = "".join(part.capitalize() for part in kind.group.split(".")[0].split("-")) or "Core"
    scope = "Namespaced" if kind.namespaced and suffix != "ForAllNamespaces" else ""
    version = kind.version.capitalize()
    return f"{_VERBS.get(action, action)}{group}{version}{scope}{kind.kind}{suffix}"
