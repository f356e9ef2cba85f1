"""What the agent knows of the whole cluster, and who on the node acts upon it.

The control plane sends every node the nodes, services and so on of the cluster, each reduced to what agents need (`Sync` and
`Update` of `schema.session`). The overlay, services, DNS and the like are consumers: each is told which objects changed and
makes the host so. What is known is kept in the checkpoint, so that after a restart without a control plane all of it goes
on; before anything is known, consumers are not asked: they would take everything away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from nodeagent.errors import AgentError
from nodeagent.facilities import DEFAULT_DOMAIN
from nodeagent.keys import Key as Key
from nodeagent.tasks import Tasks, persist
from schema.base import Wire
from schema.session import ClusterKey

log = logging.getLogger(__name__)

SAVE_SECONDS = 10.0
"""How often at most all is written. What changes in between is noted one by one, before anybody acts on it: an agent that
starts never undoes what the one before it has done."""
RETRY_SECONDS = (0.5, 30.0)


class Consumer(Protocol):
    """Part of the agent that makes the host follow the cluster."""

    @property
    def name(self) -> str:
        """In logs."""

    @property
    def kinds(self) -> frozenset[str]:
        """Those of whose changes it is told."""

    async def watch(self, poke: Callable[[], None]) -> None:
        """Runs beside it for ever, and calls ``poke`` when the host is no longer as `apply` left it: then everything is
        looked at again. Returns where nothing tells of that, as by default."""
        return

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        """Make the host so. Called with all keys at first, then with those that changed since, never twice at once. What is
        raised is logged, and the call repeated with the same keys and what came meanwhile."""


class _Subscription:
    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.waiting: set[Key] = set()
        self.wake = asyncio.Event()
        self.wake.set()
        self.idle = asyncio.Event()


class ClusterView:
    """Objects are replaced, never changed in place, so a consumer may keep them."""

    def __init__(
        self,
        stored: Sequence[Wire] | None = None,
        *,
        save: Callable[[list[Wire]], None] | None = None,
        note: Callable[[Sequence[Wire], Sequence[Key]], None] | None = None,
    ) -> None:
        """``save`` is given everything now and then, ``note`` at once what is new and what is gone."""
        self._objects: dict[str, dict[tuple[str, str], Wire]] = {}
        self._subscriptions: list[_Subscription] = []
        self._save = save or (lambda _: None)
        self._note = note or (lambda changed, gone: None)
        self._dirty = asyncio.Event()
        self._tasks = Tasks("cluster view")
        self.known = asyncio.Event()
        """Set once something was said, now or before the last restart."""
        self.secret: Callable[[str, str], Wire | None] = lambda namespace, name: None
        """A Secret that this node has, by namespace and name."""
        self.problems: dict[str, str] = {}
        """What keeps a consumer from following, by its name."""
        if stored is not None:
            self._load(stored)
            self.known.set()

    # Reading

    def all(self, kind: str) -> dict[tuple[str, str], Wire]:
        """By namespace and name. Not to be changed."""
        return self._objects.get(kind, {})

    def get(self, kind: str, namespace: str, name: str) -> Wire | None:
        return self.all(kind).get((namespace, name))

    def domain(self) -> str:
        """In which the cluster's names are."""
        cluster = self.get("Cluster", "", "cluster") or {}
        return str((cluster.get("spec") or {}).get("domain") or DEFAULT_DOMAIN)

    def subscribe(self, consumer: Consumer) -> None:
        subscription = _Subscription(consumer)
        subscription.waiting.update(self._keys(consumer.kinds))
        self._subscriptions.append(subscription)
        self._tasks.spawn(f"consumer {consumer.name}", self._serve(subscription))

        async def watch() -> None:
            await consumer.watch(lambda: self.poke(consumer.name))

        watching = persist(f"watch {consumer.name}", watch, first_delay=0.5, last_delay=30.0)
        self._tasks.spawn(f"watch {consumer.name}", watching)

    # What the control plane says

    def replace(self, wires: Iterable[Wire]) -> None:
        """Everything anew."""
        before = self._objects
        self._load(wires)
        changed = [
            Key(kind, *name)
            for kind in before.keys() | self._objects.keys()
            for name in before.get(kind, {}).keys() | self.all(kind).keys()
            if before.get(kind, {}).get(name) != self.all(kind).get(name)
        ]
        self._note_changed(changed)
        self._tell(changed)

    def update(self, wires: Iterable[Wire], removed: Iterable[ClusterKey]) -> None:
        changed = [self._put(wire) for wire in wires]
        for gone in removed:
            self._objects.get(gone.kind, {}).pop((gone.namespace, gone.name), None)
            changed.append(Key(gone.kind, gone.namespace, gone.name))
        if changed:
            self._note_changed(changed)
            self._tell(changed)

    def poke(self, name: str) -> None:
        """Ask a consumer to look at everything again: the host is not as it left it."""
        for subscription in self._subscriptions:
            if subscription.consumer.name == name:
                self._hand(subscription, self._keys(subscription.consumer.kinds))

    # Life

    async def run(self) -> None:
        """Writes what is known into the checkpoint, now and then, for ever."""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(SAVE_SECONDS)
            self.flush()

    def flush(self) -> None:
        if self._dirty.is_set():
            self._dirty.clear()
            self._save([wire for objects in self._objects.values() for wire in objects.values()])

    async def settled(self) -> None:
        """Until every consumer has done what it was told. For tests."""
        for subscription in self._subscriptions:
            await subscription.idle.wait()

    async def close(self) -> None:
        self.flush()
        await self._tasks.close()

    async def abandon(self) -> None:
        """End without writing anything. For tests."""
        await self._tasks.close()

    def _load(self, wires: Iterable[Wire]) -> None:
        self._objects = {}
        for wire in wires:
            self._put(wire)

    def _put(self, wire: Wire) -> Key:
        metadata = wire["metadata"]
        key = Key(wire["kind"], metadata.get("namespace", ""), metadata["name"])
        self._objects.setdefault(key.kind, {})[key.namespace, key.name] = wire
        return key

    def _keys(self, kinds: frozenset[str]) -> set[Key]:
        return {Key(kind, *name) for kind in kinds for name in self.all(kind)}

    def _note_changed(self, changed: Iterable[Key]) -> None:
        found = {key: self.get(*key) for key in changed}
        self._note([wire for wire in found.values() if wire], [key for key, wire in found.items() if not wire])

    def _tell(self, changed: Sequence[Key]) -> None:
        first = not self.known.is_set()
        self.known.set()
        self._dirty.set()
        for subscription in self._subscriptions:
            concerned = {key for key in changed if key.kind in subscription.consumer.kinds}
            if concerned or first:
                self._hand(subscription, concerned)

    def _hand(self, subscription: _Subscription, keys: set[Key]) -> None:
        subscription.waiting |= keys
        subscription.idle.clear()
        subscription.wake.set()

    async def _serve(self, subscription: _Subscription) -> None:
        """One consumer's life: first everything, even if it is nothing; then what changes."""
        await self.known.wait()
        delay, longest = RETRY_SECONDS
        while True:
            await subscription.wake.wait()
            subscription.wake.clear()
            keys, subscription.waiting = frozenset(subscription.waiting), set()
            try:
                await subscription.consumer.apply(self, keys)
            except Exception as error:
                if isinstance(error, AgentError):  # its text is for people; anything else is a defect
                    log.error("%s: %s; trying again", subscription.consumer.name, error)
                else:
                    log.exception("%s could not follow the cluster; trying again", subscription.consumer.name)
                self.problems[subscription.consumer.name] = str(error)
                self._hand(subscription, set(keys))
                await asyncio.sleep(delay)
                delay = min(2 * delay, longest)
                continue
            delay = RETRY_SECONDS[0]
            self.problems.pop(subscription.consumer.name, None)
            if not subscription.wake.is_set():
                subscription.idle.set()
