"""``/ws/watch`` through the application, with frames as they travel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.access.models import Grant
from controlplane.api import multiplexed
from controlplane.store import feed, objects, pool
from schema import kinds
from schema.base import Wire
from tests.api.client import CONFIG_MAPS, administrator_token

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE_SECONDS = 60.0


class Socket:
    def __init__(self, **headers: str) -> None:
        self.to_server: asyncio.Queue[Any] = asyncio.Queue()
        self.to_client: asyncio.Queue[Any] = asyncio.Queue()
        self.heard: list[Any] = []
        scope = {
            "type": "websocket",
            "path": "/ws/watch",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "extensions": {"websocket.http.response": {}},
        }
        self.to_server.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(multiplexed.application(scope, self.to_server.get, self.to_client.put))

    async def next(self) -> Any:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.to_client.get()

    def say(self, **message: Any) -> None:
        self.say_raw(orjson.dumps(message).decode())

    def say_raw(self, text: str) -> None:
        self.to_server.put_nowait({"type": "websocket.receive", "text": text})

    async def hear(self) -> Any:
        """The next message; a frame holds one on each line."""
        if not self.heard:
            message = await self.next()
            assert message["type"] == "websocket.send", message
            self.heard = [orjson.loads(line) for line in message["text"].split("\n")]
        return self.heard.pop(0)


@asynccontextmanager
async def connected(token: str) -> AsyncIterator[Socket]:
    socket = Socket(authorization=f"Bearer {token}")
    assert (await socket.next())["type"] == "websocket.accept"
    try:
        yield socket
    finally:
        socket.to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(DEADLINE_SECONDS):
            await socket.task
        await feed.stop()


@pytest.fixture
async def token() -> str:
    return await sync_to_async(administrator_token)()


async def make(name: str, **data: str) -> Wire:
    wire = {"metadata": {"name": name, "namespace": "default", "labels": {"n": name}}, "data": data}
    return await pool.run(objects.create, kinds.CONFIG_MAP, wire)


async def test_a_watch_begins_with_what_there_is_and_its_end(token: str):
    await make("a")
    async with connected(token) as socket:
        socket.say(op="watch", id="x", path=CONFIG_MAPS)
        first, end = await socket.hear(), await socket.hear()
        assert (first["id"], first["type"], first["object"]["metadata"]["name"]) == ("x", "ADDED", "a")
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await make("b")
        later = await socket.hear()
        assert (later["type"], later["object"]["metadata"]["name"]) == ("ADDED", "b")


async def test_what_there_is_comes_in_one_frame(token: str):
    for name in "abc":
        await make(name)
    async with connected(token) as socket:
        socket.say(op="watch", id="x", path=CONFIG_MAPS)
        frame = (await socket.next())["text"].split("\n")
        assert [orjson.loads(line)["type"] for line in frame] == ["ADDED", "ADDED", "ADDED", "BOOKMARK"]


async def test_several_watches_share_the_connection(token: str):
    async with connected(token) as socket:
        socket.say(op="watch", id='odd "id"', path="/api/v1/configmaps", query={"labelSelector": "n=b"})
        assert (await socket.hear())["id"] == 'odd "id"'
        socket.say(op="watch", id="ns", path="/api/v1/namespaces")
        names = [(await socket.hear())["object"]["metadata"].get("name") for _ in range(5)]
        assert "default" in names
        await make("a")
        await make("b")
        heard = await socket.hear()
        assert (heard["id"], heard["object"]["metadata"]["name"]) == ('odd "id"', "b")


async def test_a_stopped_watch_is_silent(token: str):
    async with connected(token) as socket:
        socket.say(op="watch", id="x", path=CONFIG_MAPS)
        await socket.hear()
        socket.say(op="stop", id="x")
        socket.say(op="watch", id="y", path=CONFIG_MAPS)
        assert (await socket.hear())["id"] == "y"
        await make("a")
        assert (await socket.hear())["id"] == "y"
        assert socket.to_client.empty()


async def test_a_watch_is_taken_up_where_it_was(token: str):
    first = await make("a")
    await make("b")
    async with connected(token) as socket:
        socket.say(
            op="watch", id="x", path=CONFIG_MAPS, query={"resourceVersion": first["metadata"]["resourceVersion"]}
        )
        heard = await socket.hear()
        assert heard["object"]["metadata"]["name"] == "b"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"path": "/api/v1/starships"}, 404),
        ({"path": f"{CONFIG_MAPS}/one"}, 404),
        ({"path": 5}, 404),
        ({"path": CONFIG_MAPS, "query": {"labelSelector": "a=="}}, 200),
        ({"path": CONFIG_MAPS, "query": {"labelSelector": "a in"}}, 400),
        ({"path": CONFIG_MAPS, "query": {"resourceVersion": "x"}}, 400),
        ({"path": CONFIG_MAPS, "query": {"resourceVersion": "9999999"}}, 410),
        ({"path": CONFIG_MAPS, "query": ["a"]}, 400),
    ],
)
async def test_what_cannot_be_watched_is_an_error_of_that_watch(token: str, message: Wire, code: int):
    async with connected(token) as socket:
        socket.say(op="watch", id="bad", **message)
        heard = await socket.hear()
        assert heard["id"] == "bad"
        if code == 200:
            assert heard["type"] == "BOOKMARK"
        else:
            assert (heard["type"], heard["object"]["code"]) == ("ERROR", code)
        socket.say(op="watch", id="good", path=CONFIG_MAPS)
        assert (await socket.hear())["id"] == "good"


async def test_everybody_watches_only_what_they_may(token: str):
    def viewer() -> str:
        user = User.objects.create(username="bob")
        Grant.objects.create(user=user, role="view", namespace="default")
        return tokens.issue_for_user(user, "t")

    async with connected(await sync_to_async(viewer)()) as socket:
        socket.say(op="watch", id="s", path="/api/v1/namespaces/default/secrets")
        assert (await socket.hear())["object"]["code"] == 403
        socket.say(op="watch", id="all", path="/api/v1/pods")
        assert (await socket.hear())["object"]["code"] == 403
        socket.say(op="watch", id="own", path=CONFIG_MAPS)
        assert (await socket.hear())["type"] == "BOOKMARK"


async def test_a_connection_carries_a_bounded_number_of_watches(token: str):
    async with connected(token) as socket:
        for number in range(multiplexed.MAX_WATCHES):
            socket.say(op="watch", id=str(number), path=CONFIG_MAPS)
        heard = [await socket.hear() for _ in range(multiplexed.MAX_WATCHES)]
        assert {each["type"] for each in heard} == {"BOOKMARK"}
        socket.say(op="stop", id="0")
        socket.say(op="watch", id="again", path=CONFIG_MAPS)
        assert (await socket.hear())["id"] == "again"
        socket.say(op="watch", id="one too many", path=CONFIG_MAPS)
        assert (await socket.next())["type"] == "websocket.close"


@pytest.mark.parametrize("text", ["{", "[]", '{"op":"watch"}', '{"id":5}', "x" * 70_000])
async def test_what_is_no_message_ends_the_connection(token: str, text: str):
    async with connected(token) as socket:
        socket.say_raw(text)
        closed = await socket.next()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"cookie": "x=y", "origin": "https://evil"}]
)
async def test_nobody_connects_without_a_credential(headers: dict[str, str]):
    socket = Socket(**headers)
    answer = await socket.next()
    assert (answer["type"], answer["status"]) == ("websocket.http.response.start", 401)
    await socket.task


async def test_a_ping_is_answered_and_leaves_watches_alone(token: str) -> None:
    async with connected(token) as socket:
        socket.say(op="watch", id="w", path=CONFIG_MAPS, query={})
        while (await socket.hear())["type"] != "BOOKMARK":
            pass
        socket.say(op="ping", id="w")
        assert await socket.hear() == {"id": "w", "type": "PONG", "object": {}}
        await make("after")
        assert (await socket.hear())["object"]["metadata"]["name"] == "after"


async def test_a_watch_that_has_run_its_time_says_so(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controlplane.api.query.MAX_TIMEOUT_SECONDS", 0.05)
    async with connected(token) as socket:
        socket.say(op="watch", id="w", path=CONFIG_MAPS, query={})
        while (heard := await socket.hear())["type"] in {"ADDED", "BOOKMARK"}:
            pass
        assert heard == {"id": "w", "type": "END", "object": {}}


async def test_secrets_come_without_their_values(token: str):
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "team": "quay"}

    async def secret(name: str) -> None:
        wire = {
            "metadata": {"name": name, "namespace": "default", "annotations": applied},
            "data": {"code": "aHVudGVyMg=="},
        }
        await pool.run(objects.create, kinds.SECRET, wire)

    await secret("before")
    async with connected(token) as socket:
        socket.say(op="watch", id="x", path="/api/v1/namespaces/default/secrets")
        first, _ = await socket.hear(), await socket.hear()
        await secret("after")
        for heard in (first, await socket.hear()):
            assert heard["object"]["data"] == {"code": ""}
            assert heard["object"]["metadata"]["annotations"] == {"team": "quay"}


def viewer_of(*namespaces: str) -> str:
    user = User.objects.create(username="bob")
    for namespace in namespaces:
        Grant.objects.create(user=user, role="view", namespace=namespace)
    return tokens.issue_for_user(user, "t")


async def test_a_right_that_is_lost_ends_what_needed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplexed, "RECHECK_SECONDS", 0.02)
    async with connected(await sync_to_async(viewer_of)("default", "team")) as socket:
        for namespace in ("default", "team"):
            socket.say(op="watch", id=namespace, path=f"/api/v1/namespaces/{namespace}/configmaps")
            assert (await socket.hear())["type"] == "BOOKMARK"
        await Grant.objects.filter(namespace="default").adelete()
        tokens.forget()
        heard = await socket.hear()
        assert (heard["id"], heard["type"], heard["object"]["code"]) == ("default", "ERROR", 403)
        await make("unseen")
        socket.say(op="ping", id="p")
        assert (await socket.hear())["type"] == "PONG"


async def test_who_is_let_in_no_more_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplexed, "RECHECK_SECONDS", 0.02)
    async with connected(await sync_to_async(viewer_of)("default")) as socket:
        socket.say(op="watch", id="x", path=CONFIG_MAPS)
        assert (await socket.hear())["type"] == "BOOKMARK"
        await User.objects.filter(username="bob").aupdate(is_active=False)
        tokens.forget()
        closed = await socket.next()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
