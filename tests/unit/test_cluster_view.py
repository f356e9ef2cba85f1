"""What every node knows of the cluster: projected once, told as it changes, handed to whoever acts upon it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from controlplane.nodes.cluster.world import Key, World
from controlplane.nodes.desired import Desired
from controlplane.store import kinds as store_kinds
from controlplane.store.record import ChangeRecord, ChangeType
from nodeagent import cluster
from nodeagent.cluster import ClusterView
from schema import kinds
from schema.base import Wire
from schema.session import ClusterKey


def node(name: str, revision: int = 1, *, cidr: str = "10.244.0.0/24", **metadata: Any) -> Wire:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(revision), **metadata},
        "spec": {"podCIDR": cidr, "taints": [{"key": "x"}]},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}], "images": []},
    }


def change(wire: Wire, revision: int, type_: ChangeType = ChangeType.MODIFIED) -> ChangeRecord:
    metadata = {**wire["metadata"], "resourceVersion": str(revision)}
    return ChangeRecord(
        revision=revision,
        storage=store_kinds.of(kinds.NODE),
        type=type_,
        namespace="",
        name=metadata["name"],
        uid=metadata["uid"],
        json=orjson.dumps({**wire, "metadata": metadata}),
    )


N1 = Key("Node", "", "n1")


class TestWorld:
    def test_only_what_agents_need_is_held(self) -> None:
        world = World()
        world.load([(kinds.NODE, node("n1", annotations={"slipway.dev/key": "k", "other/secret": "s"}))])
        (wire,) = world.everything()
        assert wire["kind"] == "Node"
        assert wire["metadata"]["annotations"] == {"slipway.dev/key": "k"}
        assert wire["spec"] == {"podCIDR": "10.244.0.0/24"}
        assert set(wire["status"]) == {"addresses"}

    def test_a_change_of_nothing_that_agents_need_is_no_news(self) -> None:
        world = World()
        world.load([(kinds.NODE, node("n1"))])
        changed = node("n1")
        changed["status"]["images"] = [{"names": ["x"]}]
        assert world.changed(change(changed, 2)) is None
        assert world.changed(change(node("n1", cidr="10.244.1.0/24"), 3)) == N1

    def test_a_change_older_than_what_was_loaded_is_no_news(self) -> None:
        world = World()
        world.load([(kinds.NODE, node("n1", 5))])
        assert world.changed(change(node("n1", cidr="10.0.0.0/24"), 4)) is None
        assert world.changed(change(node("n1"), 6, ChangeType.DELETED)) == N1
        assert world.everything() == []

    def test_a_session_hears_the_newest_state_once(self) -> None:
        world = World()
        desired = Desired("n0", world)
        desired.load([], 1)
        desired.sync([])
        for revision, cidr in ((2, "10.0.1.0/24"), (3, "10.0.2.0/24")):
            key = world.changed(change(node("n1", cidr=cidr), revision))
            assert key is not None
            desired.cluster_changed(key)
        update = desired.take()
        assert update is not None
        assert [wire["spec"]["podCIDR"] for wire in update.cluster] == ["10.0.2.0/24"]
        assert desired.take() is None
        world.changed(change(node("n1"), 4, ChangeType.DELETED))
        desired.cluster_changed(N1)
        update = desired.take()
        assert update is not None
        assert update.removed_cluster == [ClusterKey(kind="Node", name="n1")]


class Recorder:
    name = "recorder"
    kinds = frozenset({"Node"})

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[set[str]] = []
        self.failures = failures

    async def watch(self, poke: Callable[[], None]) -> None:
        pass

    async def apply(self, view: ClusterView, changed: frozenset[cluster.Key]) -> None:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise OSError("the host refuses")
        self.calls.append({key.name for key in changed})


def wire(name: str, kind: str = "Node", **more: Any) -> Wire:
    return {"kind": kind, "metadata": {"name": name}, **more}


class TestView:
    async def test_a_consumer_hears_everything_first_and_then_what_changes(self) -> None:
        view, consumer = ClusterView(), Recorder()
        view.subscribe(consumer)
        await asyncio.sleep(0)
        assert consumer.calls == []
        view.replace([wire("a"), wire("b"), wire("s", "Service")])
        await view.settled()
        view.update([wire("a", spec=1), wire("t", "Service")], [ClusterKey(kind="Node", name="b")])
        await view.settled()
        assert consumer.calls == [{"a", "b"}, {"a", "b"}]
        assert set(view.all("Node")) == {("", "a")}
        await view.close()

    async def test_what_is_said_again_is_no_news(self) -> None:
        view, consumer = ClusterView([wire("a")]), Recorder()
        view.subscribe(consumer)
        await view.settled()
        view.replace([wire("a")])
        await view.settled()
        assert consumer.calls == [{"a"}]
        await view.close()

    async def test_an_empty_cluster_is_told_too(self) -> None:
        view, consumer = ClusterView(), Recorder()
        view.subscribe(consumer)
        view.replace([])
        await view.settled()
        assert consumer.calls == [set()]
        await view.close()

    async def test_a_failure_is_repeated_with_its_keys(self, monkeypatch) -> None:
        monkeypatch.setattr(cluster, "RETRY_SECONDS", (0.001, 0.01))
        view, consumer = ClusterView([wire("a")]), Recorder(failures=2)
        view.subscribe(consumer)
        await view.settled()
        assert consumer.calls == [{"a"}]
        await view.close()

    async def test_it_is_saved_and_read_again(self) -> None:
        saved: list[list[Wire]] = []
        view = ClusterView(save=saved.append)
        view.replace([wire("a")])
        await view.close()
        assert ClusterView(saved[-1]).get("Node", "", "a") == wire("a")
