"""A small client of the API inside this process: requests as the ASGI handler makes them, views in the test's thread and
transaction."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson
from django.contrib.auth.models import User
from django.http import HttpResponse

from controlplane.access import tokens
from controlplane.api import handler
from schema.base import Wire

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Api:
    """Each method returns (HTTP code, parsed body); `headers` are those of the last answer."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.headers: Any = {}

    def send(
        self, method: str, path: str, body: Any = None, *, media: str | None = "application/json", **headers: str
    ) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        sent = {"host": "testserver", "authorization": f"Bearer {self.token}", **headers}
        if media is not None:
            sent["content-type"] = media
        if not sent["authorization"]:
            del sent["authorization"]
        location, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(location),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
        }
        response = handler.respond_sync(handler.make_request(scope, raw))
        assert isinstance(response, HttpResponse)
        self.headers = response.headers
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        return response.status_code, orjson.loads(response.content) if is_json else response.content

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        return self.send("POST", path, body, **options)

    def put(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        return self.send("PUT", path, body, **options)

    def patch(self, path: str, body: Any, *, media: str = MERGE, **options: Any) -> tuple[int, Any]:
        return self.send("PATCH", path, body, media=media, **options)

    def delete(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        return self.send("DELETE", path, body, **options)

    def created(self, path: str, body: Wire) -> Wire:
        code, answer = self.post(path, body)
        assert code == 201, answer
        return dict(answer)


def administrator_token() -> str:
    user = User.objects.create(username="root", is_superuser=True)  # without a password, whose hash takes its time
    return tokens.issue_for_user(user, "tests")


def pod(name: str = "web", **changes: Any) -> Wire:
    metadata = {"name": name, **changes.pop("metadata", {})}
    spec = {"containers": [{"name": "main", "image": "busybox:1"}], **changes.pop("spec", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, **changes}


def config_map(name: str = "settings", **data: str) -> Wire:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
