"""Every path of the server, asked by those who may not: nobody, a user without rights, and a node that it does not concern."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.api import urls
from controlplane.asgi import application
from controlplane.nodes import hub
from controlplane.nodes.routing import websocket_urlpatterns
from controlplane.store import feed
from schema import kinds
from tests.api.cluster_objects import pod

pytestmark = pytest.mark.django_db(transaction=True)

POD = "/api/v1/namespaces/default/pods/web"
OURS = "/apis/slipway.dev/v1"
NAMESPACED = f"{OURS}/namespaces/default"
BUILD = "/agent/v1/builds/default/web/1"
DIGEST = "sha256:" + "0" * 64

# method, path, and what is answered to nobody, to a user without rights, to a node
CLOSED = (401, 403, 403)
ANYBODY = (200, 200, 200)
LOGGED_IN = (401, 200, 200)
ROUTES: list[tuple[str, str, tuple[int, int, int]]] = [
    ("GET", f"{POD}/log", CLOSED),
    ("POST", f"{POD}/exec?command=sh&stdout=1", CLOSED),
    ("GET", f"{POD}/attach?stdout=1", CLOSED),
    ("GET", f"{POD}/portforward", CLOSED),
    ("GET", "/apis/metrics.k8s.io/v1beta1/pods", CLOSED),
    ("GET", f"{OURS}/metrics/nodes/n1", CLOSED),
    ("GET", f"{OURS}/metrics/nodes", CLOSED),
    ("GET", f"{NAMESPACED}/metrics/pods", CLOSED),
    ("GET", f"{NAMESPACED}/metrics/pods/web", CLOSED),
    ("GET", f"{NAMESPACED}/services/web/exposure", CLOSED),
    ("GET", f"{NAMESPACED}/pods/web/exposure", CLOSED),
    ("GET", f"{NAMESPACED}/pods/web/why", CLOSED),
    ("GET", f"{OURS}/certificates", CLOSED),
    ("POST", f"{NAMESPACED}/secrets/code/reveal", CLOSED),
    ("GET", f"{OURS}/dependents/some-uid", LOGGED_IN),  # tells of what the asker may get, and there is nothing
    ("GET", f"{OURS}/images/{'0' * 64}/ancestry", CLOSED),
    ("GET", f"{OURS}/imageancestry?reference=redis", CLOSED),
    ("GET", f"{NAMESPACED}/builds/web/context", CLOSED),
    ("PUT", f"{NAMESPACED}/builds/web/context", CLOSED),
    ("GET", f"{NAMESPACED}/builds/web/log", CLOSED),
    ("GET", BUILD, (401, 403, 404)),
    ("GET", f"{BUILD}/context", (401, 403, 404)),
    ("POST", f"{BUILD}/progress", (401, 403, 404)),
    ("POST", f"{BUILD}/login", (401, 403, 404)),
    ("GET", f"{OURS}/registry/token?scope=repository:default/web:push", (401, 403, 403)),
    ("POST", f"{OURS}/registry/notifications", (401, 401, 401)),
    ("GET", f"{OURS}/registry", LOGGED_IN),
    ("POST", f"{OURS}/registry/collections", CLOSED),
    ("GET", f"{OURS}/registry/collections/1", CLOSED),
    ("POST", f"{OURS}/hooks/some-uid/some-secret", (404, 404, 404)),
    ("POST", f"{NAMESPACED}/triggers/web/secret", CLOSED),
    ("GET", f"{NAMESPACED}/repositories/web/tags", CLOSED),
    ("DELETE", f"{NAMESPACED}/repositories/web/tags/1", CLOSED),
    ("DELETE", f"{NAMESPACED}/repositories/web/manifests/{DIGEST}", CLOSED),
    ("POST", f"{OURS}/jointokens", CLOSED),
    ("DELETE", f"{OURS}/jointokens/some", CLOSED),
    ("GET", POD, CLOSED),
    ("GET", "/api/v1", LOGGED_IN),
    ("GET", "/apis/apps/v1", LOGGED_IN),
    ("GET", "/apis/apps", LOGGED_IN),
    ("GET", "/api", LOGGED_IN),
    ("GET", "/apis", LOGGED_IN),
    ("GET", "/openapi/v3", LOGGED_IN),
    ("GET", "/openapi/v3/api/v1", LOGGED_IN),
    ("GET", "/openapi/v3/apis/apps/v1", LOGGED_IN),
    ("GET", "/openapi/v2", (401, 404, 404)),
    ("GET", "/agent/v1/ca", (503, 503, 503)),  # this test's home has no authority
    ("POST", "/agent/v1/join", (400, 400, 400)),  # what comes must be a join token: `test_joining`
    ("POST", "/agent/v1/credential", (401, 403, 201)),  # its own
    ("GET", "/version", ANYBODY),
    ("GET", "/livez", ANYBODY),
    ("GET", "/livez/ping", LOGGED_IN),
    ("GET", "/readyz/ping", LOGGED_IN),
    ("GET", "/metrics", CLOSED),
]
SOCKETS: list[tuple[str, tuple[int, int, int]]] = [
    ("/agent/v1/session", (401, 403, 101)),
    ("/agent/v1/streams/some", (401, 403, 404)),
    (f"{POD}/log", CLOSED),
    (f"{POD}/exec?command=sh&stdout=1", CLOSED),
    (f"{POD}/attach?stdout=1", CLOSED),
    (f"{POD}/portforward?ports=80", CLOSED),
    ("/ws/watch", (401, 101, 101)),  # each watch is authorised: `test_multiplexed`
]
STREAMS = {"log", "exec", "attach", "portforward"}
"""Have rows of their own: they look at the method, and at what is to be run, before they look at who asks."""


@pytest.fixture
def callers() -> Iterator[tuple[str, ...]]:
    """The headers of the three."""
    pod("web")
    user = tokens.issue_for_user(User.objects.create(username="charlie"), "t")
    yield ("", f"Bearer {user}", f"Bearer {tokens.issue_for_node('n9')}")
    tokens.forget()


@pytest.fixture(autouse=True)
async def _closed():
    yield
    await hub.current().aclose()
    await feed.stop()


def scope_of(kind: str, method: str, path: str, authorization: str) -> dict[str, Any]:
    location, _, query = path.partition("?")
    headers = [(b"host", b"testserver")] + ([(b"authorization", authorization.encode())] if authorization else [])
    made = {"type": kind, "path": location, "query_string": query.encode(), "headers": headers}
    return {
        **made,
        "method": method,
        "client": ("127.0.0.1", 1),
        "subprotocols": ["v5.channel.k8s.io"],
        "extensions": {"websocket.http.response": {}},
    }


async def answered(method: str, path: str, authorization: str) -> int:
    """By the whole application, as a server would call it."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    await application(scope_of("http", method, path, authorization), receive, send)
    return int(sent[0]["status"])


async def dialled(path: str, authorization: str) -> int:
    """The status of the handshake; 101 where it was accepted."""
    said: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    said.put_nowait({"type": "websocket.connect"})
    task = asyncio.create_task(application(scope_of("websocket", "GET", path, authorization), said.get, heard.put))
    async with asyncio.timeout(10):
        first = await heard.get()
        said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await task
    return 101 if first["type"] == "websocket.accept" else int(first["status"])


def test_every_path_is_in_the_table() -> None:
    asked = [path.partition("?")[0].lstrip("/") for _, path, _ in ROUTES]
    first = {next((pattern for pattern in urls.urlpatterns if pattern.resolve(path)), None) for path in asked}
    assert not [pattern for pattern in urls.urlpatterns if pattern not in first]
    dialled = [path.partition("?")[0].lstrip("/") for path, _ in SOCKETS]
    assert not [route for route in websocket_urlpatterns if not any(route.resolve(path) for path in dialled)]


async def test_a_path_is_closed_to_those_whom_it_does_not_concern(callers: tuple[str, ...]) -> None:
    wrong = []
    for method, path, expected in ROUTES:
        got = tuple([await answered(method, path, header) for header in callers])
        if got != expected:
            wrong.append((method, path, got, expected))
    assert not wrong


async def test_a_socket_is_closed_to_those_whom_it_does_not_concern(callers: tuple[str, ...]) -> None:
    got = [(path, tuple([await dialled(path, header) for header in callers])) for path, _ in SOCKETS]
    assert got == SOCKETS


async def test_no_kind_is_open_to_those_without_a_right(callers: tuple[str, ...]) -> None:
    """Reading and writing, all namespaces and one, the object, its status, and whatever else it has."""
    asked = []
    for kind in kinds.ALL:
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        where = f"{base}/namespaces/default/{kind.plural}" if kind.namespaced else f"{base}/{kind.plural}"
        asked += [("GET", f"{base}/{kind.plural}"), ("GET", f"{where}?watch=1"), ("POST", where), ("DELETE", where)]
        asked += [
            (method, f"{where}/x{part}") for method in ("GET", "PUT", "PATCH", "DELETE") for part in ("", "/status")
        ]
        asked += [("POST", f"{where}/x/{part}") for part in kind.subresources if part not in STREAMS]
    open_ = []
    for method, path in asked:
        got = [await answered(method, path, header) for header in callers]
        # A node may tell events; that its one is no event is what it hears.
        allowed = [{401}, {403, 404, 405}, {403, 404, 405, 400 if "/events" in path else 403}]
        open_ += [(method, path, got)] if any(code not in one for code, one in zip(got, allowed, strict=True)) else []
    assert not open_
