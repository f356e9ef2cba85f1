"""OpenAPI v3 documents, one per group and version, made from the types: what kubectl validates, explains and merges by.

Descriptions are the docstrings of classes and fields, read from the source only when a document is asked for, so that
no other process pays for them. Merge keys are published beside the schemas: ``kubectl apply`` computes its patches from
them, and without them could never remove an element of a list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.openapi import operations
from schema.openapi.schemas import Schemas

VERSION = "v1.32.0"


def document(group: str, version: str, custom: Iterable[Kind] = ()) -> Wire:
    """The document of one group and version; without kinds it has no paths."""
    served = [kind for kind in (*_served(), *custom) if (kind.group, kind.version) == (group, version)]
    schemas = Schemas()
    paths: Wire = {}
    for kind in served:
        paths |= operations.paths(kind, schemas)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Slipway", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.components(),
            "securitySchemes": {"BearerToken": {"type": "http", "scheme": "bearer"}},
        },
    }


def _served() -> list[Kind]:
    return [*kinds.ALL, *(each.kind for each in kinds.VERSIONS)]


def index() -> Wire:
    """The documents there are, each under an address that names its contents."""
    found = {}
    for group, version in dict.fromkeys((kind.group, kind.version) for kind in _served()):
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        text = json.dumps(document(group, version), sort_keys=True).encode()
        digest = hashlib.sha256(text).hexdigest()[:32].upper()
        found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": found}
