"""``/openapi/v3``: the index with an ETag, and documents that a client may keep for ever under their hash.

``/openapi/v2`` is empty: Go clients read it as protobuf whatever its Content-Type says. kubectl asks for it only where v3 has not
the kind, that is of objects whose definition is not there yet; with an empty one it goes on and says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import discovery, errors, rendering
from controlplane.api.base import ApiView, accept
from controlplane.api.parsers import Negotiation
from controlplane.store import definitions
from controlplane.store.definitions import Definitions
from schema import kinds, openapi
from schema.kinds import Kind

EMPTY_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
FOREVER = "public, immutable, max-age=31536000"
_HASH_DIGITS = 32


@dataclass(frozen=True)
class Document:
    body: bytes
    hash: str


def _hashed(body: bytes) -> Document:
    return Document(body, hashlib.sha256(body).hexdigest()[:_HASH_DIGITS].upper())


def document(group: str, version: str, custom: Definitions) -> Document | None:
    return _document(
        group, version, tuple(kind for kind in custom.kinds if (kind.group, kind.version) == (group, version))
    )


@lru_cache(maxsize=256)
def _document(group: str, version: str, custom: tuple[Kind, ...]) -> Document | None:
    """Worked out once per process, and anew where a definition has changed."""
    served = (*kinds.ALL, *(each.kind for each in kinds.VERSIONS), *custom)
    if not any((kind.group, kind.version) == (group, version) for kind in served):
        return None
    return _hashed(rendering.dumps(openapi.document(group, version, custom)))


@lru_cache(maxsize=4)
def index(custom: Definitions) -> Document:
    places = [("api/v1", "", "v1")]
    places += [
        (f"apis/{group}/{version}", group, version)
        for group, versions in discovery.groups(custom)
        for version in versions
    ]
    paths = {}
    for path, group, version in places:
        found = document(group, version, custom)
        if found is not None:
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={found.hash}"}
    return _hashed(rendering.dumps({"paths": paths}))


class IndexView(ApiView):
    def get(self, request: Request) -> Response:
        return _answer(request, index(definitions.current()), "no-cache, private")


class DocumentView(ApiView):
    def get(self, request: Request, version: str, group: str = "") -> Response:
        found = document(group, version, definitions.current())
        if found is None:
            raise errors.unknown_path()
        fresh = request.query_params.get("hash") == found.hash
        return _answer(request, found, FOREVER if fresh else "no-cache, private")


class _Any(Negotiation):
    """Protobuf is what Go clients ask for, and nothing is fine in any format."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], rendering.JSON


class EmptyView(ApiView):
    """``/openapi/v2``: a document of no bytes for those who read protobuf."""

    content_negotiation_class = _Any

    def get(self, request: Request) -> Response:
        if "proto-openapi" not in accept(request):
            raise errors.unknown_path()
        return Response(b"", content_type=EMPTY_TYPE)


def _answer(request: Request, found: Document, caching: str) -> Response:
    tag = f'"{found.hash}"'
    headers = {"ETag": tag, "Cache-Control": caching, "Vary": "Accept"}
    offered = {each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")}
    if tag in offered:
        return Response(b"", status=304, headers=headers)
    return Response(found.body, headers=headers)
