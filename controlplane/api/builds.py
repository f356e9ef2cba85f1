"""What of builds is no resource: how much of a context is here, a build's log, and what its node asks for and tells.

    GET  /apis/slipway.dev/v1/namespaces/<ns>/builds/<name>/context   {"received": 0, "complete": false}; `uploads` takes it
    GET  /apis/slipway.dev/v1/namespaces/<ns>/builds/<name>/log       as the log of its pod
    GET  /agent/v1/builds/<ns>/<name>/<attempt>                       what to build
    GET  /agent/v1/builds/<ns>/<name>/<attempt>/context               the context, in parts by Range
    POST /agent/v1/builds/<ns>/<name>/<attempt>/progress              steps and result, as in the build's status
    POST /agent/v1/builds/<ns>/<name>/<attempt>/login                 {"pull": [repository], "push": [repository]}

The addresses of the agent take the credential of the node that the build's pod is bound to, and no other.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.api import errors, streams
from controlplane.api.base import ApiView, Labels
from controlplane.builds import builds, contexts, logins, reuse
from controlplane.builds.logins import Denied
from controlplane.nodes import logs
from controlplane.nodes.errors import Refused
from controlplane.store import objects, pool
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

_RANGE = re.compile(r"bytes=(\d+)-")
_CHUNK = 256 * 1024
_BUILDS = "apis/slipway.dev/v1/namespaces/<str:namespace>/builds"
_AGENT = "agent/v1/builds/<str:namespace>/<str:name>/<int:attempt>"


class ContextView(ApiView):
    """For senders: where to go on."""

    http_method_names = ["get"]

    def get(self, request: Request, namespace: str, name: str) -> Response:
        if not authorization.allowed(self.identity, "get", kinds.BUILD, namespace, name, "context"):
            raise errors.forbidden(
                "get", kinds.BUILD, user=self.identity.name, namespace=namespace, name=name, subresource="context"
            )
        _, wire = builds.upload_state(_stored(namespace, name))
        return Response(wire)

    def labels(self) -> Labels:
        return Labels("get", kinds.BUILD.group_resource, "context")


def _stored(namespace: str, name: str) -> Wire:
    try:
        return objects.get(kinds.BUILD, namespace, name)
    except NotFound:
        raise errors.not_found(kinds.BUILD, name) from None


@streams.endpoint("GET")
async def build_log(request: HttpRequest, identity: Any, namespace: str, pod: str) -> HttpResponseBase:
    """``pod`` is the build's name: the endpoint's word for what a log is of."""
    found, text = await pool.run(_pod_of, identity, namespace, pod)
    if text:
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    end = await logs.open_log(identity, namespace, found, request.META.get("QUERY_STRING", ""))
    return streams.log_response(end, f"{namespace}/{found}")


def _pod_of(identity: Any, namespace: str, name: str) -> tuple[str, str]:
    """Its pod; or the log itself, of a build that needed none."""
    if not authorization.allowed(identity, "get", kinds.BUILD, namespace, name, "log"):
        raise Refused(403, f'builds.slipway.dev "{name}" is forbidden: User "{identity.name}" cannot read its log')
    try:
        build = objects.get(kinds.BUILD, namespace, name)
    except NotFound:
        raise Refused(404, f'builds.slipway.dev "{name}" not found') from None
    if reuse.is_reused(build):
        return "", reuse.told(build)
    pod = (build.get("status") or {}).get("podName")
    if not pod:
        raise Refused(400, f'build "{name}" has no log yet: it is {(build.get("status") or {}).get("phase") or "new"}')
    return str(pod), ""


class AgentView(ApiView):
    http_method_names = ["get", "post"]

    def build(self, namespace: str, name: str, attempt: int) -> Wire:
        node = self.identity.node
        if node is None:
            raise errors.Forbidden("this address is for agents: it takes the credential of a node")
        found = builds.of_pod(node, namespace, name, attempt)
        if found is None:
            raise errors.NotFound(f"build {namespace}/{name}, attempt {attempt}, is not to be built on node {node}")
        return found


class RequestView(AgentView):
    http_method_names = ["get"]

    def get(self, request: Request, namespace: str, name: str, attempt: int) -> Response:
        build = self.build(namespace, name, attempt)
        context = (build.get("status") or {}).get("context") if builds.wants_upload(build) else None
        return Response(
            {
                "uid": build["metadata"]["uid"],
                "namespace": namespace,
                "name": name,
                "attempt": attempt,
                "spec": build["spec"],
                "context": context,
                "registry": logins.address(),
            }
        )


class AgentContextView(AgentView):
    http_method_names = ["get"]

    def get(self, request: Request, namespace: str, name: str, attempt: int) -> HttpResponseBase:
        file = contexts.path(self.build(namespace, name, attempt)["metadata"]["uid"])
        if not file.exists():
            raise errors.NotFound(f"the context of build {namespace}/{name} is not on this control plane")
        size = file.stat().st_size
        asked = _RANGE.fullmatch(request.headers.get("Range", ""))
        start = min(int(asked[1]), size) if asked else 0
        response = StreamingHttpResponse(_read(file, start), content_type="application/octet-stream")
        response["Content-Length"] = str(size - start)
        if asked:
            response.status_code = 206
            response["Content-Range"] = f"bytes {start}-{max(size - 1, start)}/{size}"
        return response


async def _read(file: Path, start: int) -> AsyncIterator[bytes]:
    opened = await asyncio.to_thread(file.open, "rb")
    try:
        opened.seek(start)
        while data := await asyncio.to_thread(opened.read, _CHUNK):
            yield data
    finally:
        opened.close()


class ProgressView(AgentView):
    http_method_names = ["post"]

    def post(self, request: Request, namespace: str, name: str, attempt: int) -> Response:
        build = self.build(namespace, name, attempt)
        told = self.required_body().value
        if not isinstance(told, dict):
            raise errors.BadRequest("the body must be an object with fields of a build's status")
        builds.write_progress(build, attempt, told)
        return Response({})


class LoginView(AgentView):
    http_method_names = ["post"]

    def post(self, request: Request, namespace: str, name: str, attempt: int) -> Response:
        build = self.build(namespace, name, attempt)
        asked = self.required_body().value
        asked = asked if isinstance(asked, dict) else {}
        try:
            return Response(logins.of_build(build, _names(asked, "pull"), _names(asked, "push")))
        except Denied as denied:
            raise errors.Forbidden(str(denied)) from None


def _names(asked: Wire, field: str) -> list[str]:
    found = asked.get(field) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise errors.BadRequest(f"{field}: a list of repositories is needed")
    return found


urlpatterns: list[URLPattern] = [
    path(f"{_BUILDS}/<str:name>/context", ContextView.as_view()),
    path(f"{_BUILDS}/<str:pod>/log", build_log),
    path(_AGENT, RequestView.as_view()),
    path(f"{_AGENT}/context", AgentContextView.as_view()),
    path(f"{_AGENT}/progress", ProgressView.as_view()),
    path(f"{_AGENT}/login", LoginView.as_view()),
]
