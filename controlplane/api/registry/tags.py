"""``…/namespaces/<ns>/repositories/<name>/tags``: all tags of a repository, the newest first; ``DELETE …/tags/<tag>`` takes one.

An image whose tag was taken stays until the next garbage collection, longer where something names it by digest or runs it. A
tag that a workload names is kept: 409 says by whom, ``?force=true`` takes it all the same.
"""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.api.registry.answers import API_VERSION, SUCCESS, repository
from controlplane.controllers import queue, registry
from controlplane.controllers.broker import Work
from controlplane.registry import catalogue, usage


class TagsView(ApiView):
    def get(self, request: Request, namespace: str, name: str) -> Response:
        path = repository(self, "get", namespace, name, "tags")["spec"]["path"]
        items = [catalogue.tag_wire(tag) for tag in catalogue.newest_first(catalogue.storage().tags(path))]
        metadata = {"name": name, "namespace": namespace}
        return Response(
            {"apiVersion": API_VERSION, "kind": "TagList", "metadata": metadata, "path": path, "items": items}
        )


class TagView(ApiView):
    http_method_names = ["get", "delete"]

    def get(self, request: Request, namespace: str, name: str, tag: str) -> Response:
        path = repository(self, "get", namespace, name, "tags")["spec"]["path"]
        found = catalogue.storage().tag(path, tag)
        if found is None:
            raise errors.NotFound(f'repository {path} has no tag "{tag}"')
        return Response({"apiVersion": API_VERSION, "kind": "Tag", **catalogue.tag_wire(found)})

    def delete(self, request: Request, namespace: str, name: str, tag: str) -> Response:
        path = repository(self, "delete", namespace, name, "tags")["spec"]["path"]
        if catalogue.storage().tag(path, tag) is None:
            raise errors.NotFound(f'repository {path} has no tag "{tag}"')
        users = [] if request.query_params.get("force") == "true" else usage.of_tag(path, tag)
        if users:
            raise errors.Conflict(
                f"tag {tag} of {path} is named by {', '.join(users[:5])}; ?force=true takes it anyway"
            )
        catalogue.storage().untag(path, tag)
        queue.default().add([Work(registry.RECONCILE, ("repository", namespace, name))])
        return Response(SUCCESS)
