"""Hands the changes of the store to the node sessions that they concern.

One subscription to the feed serves all sessions of the process: a change of a pod goes to its node's session, one of a
ConfigMap or Secret to those sessions that use it. The cost of such a change does not grow with the number of nodes. What
all nodes know of the cluster (`cluster`) is held here once, and sessions are told which part of it is new.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Protocol

from django.db import DatabaseError

from controlplane.nodes import snapshot, tasks
from controlplane.nodes.cluster import PROJECTIONS
from controlplane.nodes.cluster.world import Key, World
from controlplane.nodes.desired import VOLUME, Ref
from controlplane.store import feed, objects, pool
from controlplane.store.errors import Expired, StoreError
from controlplane.store.kinds.persistentvolume import node_of
from controlplane.store.objects import ChangeRecord
from schema import kinds

log = logging.getLogger(__name__)

WATCHED = {kinds.POD, kinds.CONFIG_MAP, kinds.SECRET, kinds.NODE, kinds.PERSISTENT_VOLUME, *PROJECTIONS}
RETRY_SECONDS = 1.0


class Subscriber(Protocol):
    """A session. Its methods only take note."""

    @property
    def node(self) -> str: ...

    def changed(self, change: ChangeRecord) -> None: ...

    def cluster_changed(self, key: Key) -> None:
        """Something that every node knows is different: see `Dispatcher.world`."""

    def resynchronise(self) -> None:
        """Changes were missed: read the store again."""


class Dispatcher:
    """One per process and event loop."""

    def __init__(self) -> None:
        self.world = World()
        self._by_node: dict[str, Subscriber] = {}
        self._by_ref: defaultdict[Ref, set[Subscriber]] = defaultdict(set)
        self._task: asyncio.Task[Any] | None = None
        self._following = asyncio.Event()

    async def attach(self, subscriber: Subscriber) -> None:
        """Returns once changes from now on are sure to be delivered."""
        self._by_node[subscriber.node] = subscriber
        if self._task is None:
            self._task = tasks.spawn(self._follow(), name="node dispatcher")
        await self._following.wait()

    def detach(self, subscriber: Subscriber) -> None:
        if self._by_node.get(subscriber.node) is subscriber:
            del self._by_node[subscriber.node]

    def use(self, subscriber: Subscriber, refs: Iterable[Ref]) -> None:
        for ref in refs:
            self._by_ref[ref].add(subscriber)

    def release(self, subscriber: Subscriber, refs: Iterable[Ref]) -> None:
        for ref in refs:
            users = self._by_ref.get(ref)
            if users is not None:
                users.discard(subscriber)
                if not users:
                    del self._by_ref[ref]

    async def aclose(self) -> None:
        if self._task is not None:
            await tasks.cancel(self._task)

    async def _follow(self) -> None:
        while True:
            try:
                revision = await pool.run(objects.current_revision)
                with closing(feed.subscribe(WATCHED, after=revision)) as changes:
                    found = await pool.run(snapshot.cluster)
                    self.world.load(found, cluster=await pool.run(snapshot.facts))
                    # Who attached before or in between reads again; who attaches from now on misses nothing.
                    for subscriber in list(self._by_node.values()):
                        subscriber.resynchronise()
                    self._following.set()
                    while True:
                        for change in await changes.batch():
                            self._deliver(change)
            except (Expired, StoreError, DatabaseError) as error:
                log.warning("node sessions read the store anew: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    def _deliver(self, change: ChangeRecord) -> None:
        try:
            for subscriber in self._concerned(change):
                subscriber.changed(change)
            key = self.world.changed(change)
            if key is not None:
                for subscriber in self._by_node.values():
                    subscriber.cluster_changed(key)
        except Exception:
            log.exception("a change of %s %s/%s was not delivered", change.kind.kind, change.namespace, change.name)

    def _concerned(self, change: ChangeRecord) -> list[Subscriber]:
        if change.kind is kinds.POD:
            found = self._by_node.get((change.object.get("spec") or {}).get("nodeName") or "")
            return [found] if found else []
        if change.kind is kinds.NODE:
            found = self._by_node.get(change.name)
            return [found] if found else []
        if change.kind is kinds.PERSISTENT_VOLUME:
            return self._concerned_by_volume(change)
        return list(self._by_ref.get(Ref(change.kind.kind, change.namespace, change.name), ()))

    def _concerned_by_volume(self, change: ChangeRecord) -> list[Subscriber]:
        """Who uses its claim, and the node that it is on."""
        reference = (change.object.get("spec") or {}).get("claimRef") or {}
        users = self._by_ref.get(Ref(VOLUME, reference.get("namespace", ""), reference.get("name", "")), set())
        own = self._by_node.get(node_of(change.object))
        return list({*users, own} if own else users)
