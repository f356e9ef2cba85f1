"""OpenAPI v3 documents made from the types, one per group and version.

What clients read in them: whether PATCH knows ``fieldValidation`` (else `kubectl apply` refuses to start), how lists merge
(``x-kubernetes-patch-merge-key`` and friends, else apply never removes an element), and descriptions (`kubectl explain`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from functools import cache
from typing import Any

from schema import kinds, shapes
from schema.base import ApiModel
from schema.kinds import Kind
from schema.meta import DeleteOptions, Status
from schema.shapes import Field, Structure

JsonSchema = dict[str, Any]

_PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_LIST_PARAMETERS = (
    ("labelSelector", "string", "Only objects whose labels match."),
    ("fieldSelector", "string", "Only objects whose fields match."),
    ("limit", "integer", "At most so many objects; `continue` in the answer leads to the rest."),
    ("continue", "string", "Where the previous page ended."),
    ("resourceVersion", "string", "The revision to list at or watch from."),
    ("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    ("watch", "boolean", "Stream changes instead of a list."),
    ("sendInitialEvents", "boolean", "With watch: begin with all objects, then a bookmark."),
    ("allowWatchBookmarks", "boolean", "With watch: send bookmarks."),
    ("timeoutSeconds", "integer", "End the watch after this time."),
)
_WRITE_PARAMETERS = (
    ("dryRun", "string", "All: do everything except storing."),
    ("fieldManager", "string", "Who makes this change."),
    ("fieldValidation", "string", "Ignore, Warn or Strict: what to do about unknown and duplicate fields."),
)


def index() -> list[str]:
    """The paths of the documents there are: ``api/v1``, ``apis/coordination.k8s.io/v1``."""
    return list(dict.fromkeys(root(kind) for kind in kinds.ALL))


def root(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def document(group: str, version: str) -> JsonSchema:
    """The whole document of a group and version."""
    members = [kind for kind in kinds.ALL if (kind.group, kind.version) == (group, version)]
    components: dict[str, JsonSchema] = {}
    paths: dict[str, JsonSchema] = {}
    for kind in members:
        _add_model(components, kind.model)
        components[component_name(kind.model)]["x-kubernetes-group-version-kind"] = [_gvk(kind)]
        components[f"{component_name(kind.model)}List"] = _list_schema(kind)
        paths.update(_paths(kind))
    for model in (Status, DeleteOptions):
        _add_model(components, model)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Slipway", "version": version},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"BearerToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"BearerToken": []}],
    }


def component_name(model: type[ApiModel]) -> str:
    """As Kubernetes names it, because clients look for some by name: ``io.k8s.api.core.v1.Pod``."""
    module = model.__module__.removeprefix("schema.")
    if module == "meta":
        return f"io.k8s.apimachinery.pkg.apis.meta.v1.{model.__name__}"
    return f"io.k8s.api.{module.split('.')[0]}.v1.{model.__name__}"


def _gvk(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _ref(model: type[ApiModel]) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{component_name(model)}"}


# --- schemas ----------------------------------------------------------------------------------------------------------


def _add_model(components: dict[str, JsonSchema], model: type[ApiModel]) -> None:
    """The model and all it refers to."""
    name = component_name(model)
    if name in components:
        return
    fields = shapes.table(model).values()
    schema: JsonSchema = {"type": "object", "description": inspect.cleandoc(model.__doc__ or "")}
    components[name] = schema
    schema["properties"] = {field.name: _property(field, model) for field in fields}
    required = [field.name for field in fields if field.required]
    if required:
        schema["required"] = required
    if model.map_type == "atomic":
        schema["x-kubernetes-map-type"] = "atomic"
    for field in fields:
        if field.model is not None:
            _add_model(components, field.model)


def _property(field: Field, model: type[ApiModel]) -> JsonSchema:
    description = _description(model, field.attribute)
    if field.not_yet is not None:
        description = f"{description} (Not honoured yet: {field.not_yet.reason}.)".strip()
    schema = _shape(field)
    if "$ref" in schema:
        # A sibling of $ref is ignored; allOf keeps the description.
        schema = {"allOf": [schema], "default": {}}
    return {**schema, **({"description": description} if description else {}), **_merge_rules(field)}


def _description(model: type[ApiModel], attribute: str) -> str:
    """The words under the attribute in the class that declares it."""
    for ancestor in model.__mro__:
        words = _docstrings(ancestor).get(attribute) if ancestor.__module__.startswith("schema.") else None
        if words:
            return words
    return ""


@cache
def _docstrings(model: type) -> dict[str, str]:
    """Read from the source when a document is made: pydantic's own way would parse it in every process that imports."""
    tree = ast.parse(inspect.getsource(model)).body[0]
    if not isinstance(tree, ast.ClassDef):
        return {}
    found = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
        ):
            words = following.value
            if isinstance(words, ast.Constant) and isinstance(words.value, str):
                found[statement.target.id] = inspect.cleandoc(words.value)
    return found


def _shape(field: Field) -> JsonSchema:
    match field.structure:
        case Structure.ANY:
            return {"type": "object"}
        case Structure.LIST:
            return {"type": "array", "items": _element(field)}
        case Structure.MAP:
            return {"type": "object", "additionalProperties": _element(field)}
    return _element(field)


def _element(field: Field) -> JsonSchema:
    if field.model is not None:
        return _ref(field.model)
    if field.format is not None and field.format.name == "int-or-string":
        return {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
    if field.is_quantity:
        return {"oneOf": [{"type": "string"}, {"type": "number"}]}
    schema: JsonSchema = {"type": _type_name(field)}
    if field.format is not None:
        schema["format"] = field.format.name
    if field.one_of is not None:
        schema["enum"] = sorted(field.one_of)
    low, high = field.bounds
    if schema["type"] == "integer":
        schema.update({name: bound for name, bound in (("minimum", low), ("maximum", high)) if bound is not None})
    return schema


def _type_name(field: Field) -> str:
    for scalar, name in ((bool, "boolean"), (int, "integer"), (float, "number")):
        if scalar in field.scalars:
            return name
    return "string"


def _merge_rules(field: Field) -> JsonSchema:
    strategy = [
        name for name, has in (("merge", field.list_key or field.list_set), ("retainKeys", field.retain_keys)) if has
    ]
    rules: JsonSchema = {}
    if strategy:
        rules["x-kubernetes-patch-strategy"] = ",".join(strategy)
    if field.list_key is not None:
        rules["x-kubernetes-patch-merge-key"] = field.list_key.strategic
        rules["x-kubernetes-list-type"] = "map"
        rules["x-kubernetes-list-map-keys"] = list(field.list_key.map_keys)
    elif field.structure is Structure.LIST:
        rules["x-kubernetes-list-type"] = "set" if field.list_set else "atomic"
    if field.atomic:
        rules["x-kubernetes-map-type"] = "atomic"
    return rules


def _list_schema(kind: Kind) -> JsonSchema:
    return {
        "type": "object",
        "description": f"A list of {kind.kind} objects.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": _ref(kind.model)},
        },
        "x-kubernetes-group-version-kind": [{**_gvk(kind), "kind": kind.list_kind}],
    }


# --- paths ------------------------------------------------------------------------------------------------------------


def _paths(kind: Kind) -> dict[str, JsonSchema]:
    base = f"/{root(kind)}"
    collection = f"{base}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
    paths = {collection: _collection(kind), f"{collection}/{{name}}": _item(kind)}
    if kind.namespaced:
        paths[f"{base}/{kind.plural}"] = {"get": _list_operation(kind)}
    if kind.has_status:
        status = _item(kind)
        paths[f"{collection}/{{name}}/status"] = {
            **{method: status[method] for method in ("get", "put", "patch") if method in status},
            "parameters": status["parameters"],
        }
    return paths


def _collection(kind: Kind) -> JsonSchema:
    operations: JsonSchema = {"get": _list_operation(kind)}
    if "create" in kind.verbs:
        operations["post"] = _operation(kind, "post", _query(_WRITE_PARAMETERS), body=_json(_ref(kind.model)))
    if "deletecollection" in kind.verbs:
        operations["delete"] = _operation(
            kind, "deletecollection", _query(_LIST_PARAMETERS), body=_json(_ref(DeleteOptions))
        )
    if kind.namespaced:
        operations["parameters"] = [_path_parameter("namespace")]
    return operations


def _item(kind: Kind) -> JsonSchema:
    patch_body = {"content": {media: {"schema": {"type": "object"}} for media in _PATCH_TYPES}, "required": True}
    places = (["namespace"] if kind.namespaced else []) + ["name"]
    operations: JsonSchema = {"get": _operation(kind, "get", [])}
    if "update" in kind.verbs:
        operations["put"] = _operation(kind, "put", _query(_WRITE_PARAMETERS), body=_json(_ref(kind.model)))
    if "patch" in kind.verbs:
        force = ("force", "boolean", "With apply: take fields over from their managers.")
        operations["patch"] = _operation(kind, "patch", _query((*_WRITE_PARAMETERS, force)), body=patch_body)
    if "delete" in kind.verbs:
        operations["delete"] = _operation(
            kind, "delete", _query((_WRITE_PARAMETERS[0],)), body=_json(_ref(DeleteOptions))
        )
    operations["parameters"] = [_path_parameter(place) for place in places]
    return operations


def _list_operation(kind: Kind) -> JsonSchema:
    answer = {"$ref": f"#/components/schemas/{component_name(kind.model)}List"}
    return _operation(kind, "list", _query(_LIST_PARAMETERS), answer=answer)


def _operation(
    kind: Kind,
    action: str,
    parameters: list[JsonSchema],
    *,
    body: JsonSchema | None = None,
    answer: JsonSchema | None = None,
) -> JsonSchema:
    operation: JsonSchema = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": _gvk(kind),
        "parameters": parameters,
        "responses": {"200": {"description": "OK", **_json(answer or _ref(kind.model))}},
    }
    return {**operation, "requestBody": body} if body is not None else operation


def _json(schema: JsonSchema) -> JsonSchema:
    return {"content": {"application/json": {"schema": schema}}}


def _query(parameters: Iterable[tuple[str, str, str]]) -> list[JsonSchema]:
    return [
        {"name": name, "in": "query", "description": text, "schema": {"type": kind}} for name, kind, text in parameters
    ]


def _path_parameter(name: str) -> JsonSchema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
