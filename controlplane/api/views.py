"""The one view of every resource: what a path and a method mean, who may, and the form of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import (
    deletion,
    errors,
    pods,
    presentation,
    query,
    reading,
    routing,
    scale,
    tables,
    watching,
    writing,
)
from controlplane.api.base import ApiView, Labels, accept
from controlplane.api.presentation import Presentation
from controlplane.api.query import ListOptions, WriteOptions
from controlplane.api.routing import Target
from controlplane.api.writing import Write
from schema.base import Wire

_OBJECT_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_POSTED = frozenset({"binding", "eviction"})


class ResourceView(ApiView):
    """``/api/v1/…`` and ``/apis/<group>/<version>/…``."""

    http_method_names = ["get", "post", "put", "patch", "delete"]
    target: Target
    verb = ""

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        target = routing.parse(request.path_info)
        if target is None:
            raise errors.unknown_path()
        self.target, self.kind, self.name = target, target.kind, target.name
        if target.served.custom is not None and target.served.custom.warning:
            self.warnings.append(target.served.custom.warning)
        self._authorize(self._verb(request))

    def _verb(self, request: Request) -> str:
        target, method = self.target, str(request.method)
        if target.subresource and target.subresource not in target.kind.subresources:
            raise errors.unknown_path()
        if target.subresource in _POSTED:
            verb = "create" if method == "POST" else None
        elif not target.name:
            verb = _COLLECTION_VERBS.get(method)
        else:
            verb = _OBJECT_VERBS.get(method)
        if verb == "list" and query.flag(request.query_params, "watch"):
            verb = "watch"
        offered = target.kind.verbs if not target.subresource else ("get", "update", "patch", "create")
        if verb is None or verb not in offered:
            raise errors.MethodNotAllowed("the server does not allow this method on the requested resource")
        self.verb = verb
        return verb

    def _authorize(self, verb: str) -> None:
        target, identity = self.target, self.identity
        if not authorization.allowed(identity, verb, target.kind, target.namespace, target.name, target.subresource):
            raise errors.forbidden(
                verb,
                target.kind,
                user=identity.name,
                namespace=target.namespace,
                name=target.name,
                subresource=target.subresource,
            )

    def labels(self) -> Labels:
        if not self.verb:
            return Labels(str(self.request.method).lower())
        return Labels(self.verb, self.target.kind.group_resource, self.target.subresource)

    # -- methods

    def get(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        shown, included = self._presentation(), self._included()
        if self.target.subresource == "scale":
            return Response(scale.read(self.target))
        if self.target.name:
            return Response(reading.get(self.target, shown, included))
        options = ListOptions.parse(request.query_params, self.target.kind)
        if options.watch:
            return watching.respond(watching.open_watch(self.target, options, shown, included))
        return Response(reading.list_(self.target, options, shown, included))

    def post(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        posted: Mapping[str, Callable[[], Wire]] = {"binding": self._bind, "eviction": self._evict}
        if self.target.subresource:
            return Response(posted[self.target.subresource](), status=201)
        write = self._write()
        return self._answer(writing.create(write, self.required_body()), status=201)

    def put(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        if self.target.subresource == "scale":
            return Response(scale.replace(self._write(), self.required_body()))
        return self._answer(writing.replace(self._write(), self.required_body()))

    def patch(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        body = self.required_body()
        if self.target.subresource == "scale":
            return Response(scale.patch(self._write(), str(request.content_type), body))
        return self._answer(writing.patch(self._write(), str(request.content_type), body))

    def delete(self, request: Request, *args: object, **kwargs: object) -> HttpResponseBase:
        asked = deletion.options(request.query_params, self.body)
        if self.target.name:
            return self._answer(deletion.delete(self.target, asked))
        selection = ListOptions.parse(request.query_params, self.target.kind)
        return Response(deletion.delete_collection(self.target, selection, asked))

    def _bind(self) -> Wire:
        return pods.bind(self._write(), self.required_body())

    def _evict(self) -> Wire:
        dry_run = WriteOptions.parse(self.request.query_params).dry_run
        return pods.evict(self.target, self.request.query_params, self.required_body(), dry_run=dry_run)

    # -- the answer

    def _write(self) -> Write:
        return Write(self.target, WriteOptions.parse(self.request.query_params), self.identity, self.warnings)

    def _presentation(self) -> Presentation:
        return presentation.parse(accept(self.request)) or Presentation()

    def _included(self) -> str:
        return tables.include(self.request.query_params.get("includeObject", ""))

    def _answer(self, wire: Wire, *, status: int = 200) -> Response:
        shown = reading.present(self.target, wire, self._presentation(), self._included())
        return Response(shown, status=status)
