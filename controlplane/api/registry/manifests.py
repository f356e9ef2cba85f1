"""``…/repositories/<name>/manifests/<digest>``: what an image consists of; ``DELETE`` takes it from the repository with all its
tags. One that runs, or that a workload or its history names, is kept: 409 says by whom."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import errors
from controlplane.api.base import ApiView
from controlplane.api.registry.answers import API_VERSION, SUCCESS, repository
from controlplane.controllers import queue, registry
from controlplane.controllers.broker import Work
from controlplane.registry import catalogue, names, usage


class ManifestView(ApiView):
    http_method_names = ["get", "delete"]

    def get(self, request: Request, namespace: str, name: str, digest: str) -> Response:
        path = self._path("get", namespace, name, digest)
        described = catalogue.describe(digest)
        return Response(
            {
                "apiVersion": API_VERSION,
                "kind": "Manifest",
                "metadata": {"name": name, "namespace": namespace},
                "path": path,
                "digest": digest,
                "mediaType": described.media_type,
                "sizeBytes": described.size,
                "platforms": list(described.platforms),
                "blobs": [{"digest": blob, "sizeBytes": size} for blob, size in described.blobs],
                "tags": [tag.name for tag in catalogue.storage().tags(path) if tag.digest == digest],
                "usedBy": usage.of_digest(digest),
            }
        )

    def delete(self, request: Request, namespace: str, name: str, digest: str) -> Response:
        path = self._path("delete", namespace, name, digest)
        users = usage.of_digest(digest)
        if users:
            raise errors.Conflict(f"{digest} of {path} is used by {', '.join(users[:5])}")
        held = catalogue.storage()
        for tag in held.tags(path):
            if tag.digest == digest:
                held.untag(path, tag.name)
        held.remove_revision(path, digest)
        queue.default().add([Work(registry.RECONCILE, ("repository", namespace, name))])
        return Response(SUCCESS)

    def _path(self, verb: str, namespace: str, name: str, digest: str) -> str:
        path: str = repository(self, verb, namespace, name, "manifests")["spec"]["path"]
        if not names.is_digest(digest):
            raise errors.BadRequest(f"{digest[:100]!r} is not 'sha256:' and 64 hexadecimal digits")
        if digest not in catalogue.storage().revisions(path):
            raise errors.NotFound(f"repository {path} has no manifest {digest}")
        return path
