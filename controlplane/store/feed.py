"""The change feed: one reader of the history per process, shared by all its watches and node sessions.

The feed keeps the newest changes in memory (the ring) and hands each new one to the subscriptions that want it, in the
order of the revisions and without a gap: revisions are consecutive, so whatever does not continue where the feed stands
makes it read the missing ones from the database. Three things wake it, and none of them has to be reliable:

* a commit in this process, which brings the records along, so that no query is needed;
* the revision that another process published on Redis;
* a poll, slow while Redis is there and quick while it is away.

A subscription that starts within the ring replays from memory; one that starts earlier reads the database first, then
joins. It ends with `Expired` when its start has been compacted, when it lets its queue run full, or when the history
was set back (a restored backup); the client then lists again.

Everything here runs in the event loop, except `_committed`, which writers call in their threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DatabaseError

from controlplane.store import history, kinds, pool, signals
from controlplane.store.announce import channel
from controlplane.store.errors import Expired
from controlplane.store.record import ChangeRecord
from schema.kinds import Kind

logger = logging.getLogger(__name__)

RING_RECORDS = 4096
RING_BYTES = 8 * 1024 * 1024
PARSED_RECORDS = 256
"""How many of the newest records keep their parsed object; older ones parse it again if they are asked."""
QUEUE_RECORDS = 4096
"""A subscription that falls this far behind is dropped."""
_BATCH = 500
_POLL_SECONDS = 5.0
_POLL_ALONE_SECONDS = 0.5
"""While Redis is away."""
_RETRY_SECONDS = (0.2, 5.0)
"""First and longest pause before Redis or the database is tried again."""

Match = Callable[[ChangeRecord], bool]


class Feed:
    """Use `start` and `subscribe` below: one feed per event loop."""

    def __init__(self) -> None:
        self._ring: deque[ChangeRecord] = deque()
        self._ring_bytes = 0
        self._floor = 0
        """Every change after this one, up to the head, is in the ring."""
        self._head: int | None = None
        self._ready = asyncio.Event()
        self._news = asyncio.Event()
        self._redis_is_there = False
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._loop = asyncio.get_running_loop()

    # Life

    def start(self) -> None:
        """Idempotent."""
        if self._tasks:
            return
        # Connected before the first read of the revision: no commit may fall between the two.
        signals.committed.connect(self._committed, weak=False, dispatch_uid=f"store.feed.{id(self)}")
        self._tasks = [
            asyncio.create_task(self._follow(), name="store-feed"),
            asyncio.create_task(self._listen(), name="store-feed-redis"),
        ]
        for task in self._tasks:
            task.add_done_callback(_log_end)

    async def stop(self) -> None:
        signals.committed.disconnect(dispatch_uid=f"store.feed.{id(self)}")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._drop_everyone("the server is stopping")

    @property
    def revision(self) -> int:
        """Everything up to it has been handed out. 0 before the feed is ready."""
        return self._head or 0

    async def ready(self) -> None:
        await self._ready.wait()

    # New changes

    def _committed(self, changes: list[ChangeRecord], **_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed and the feed never stopped
            self._loop.call_soon_threadsafe(self._take, changes)

    def _take(self, changes: list[ChangeRecord]) -> None:
        if self._head is None or changes[-1].revision <= self._head:
            return
        if changes[0].revision == self._head + 1:
            self._append(changes)
        else:
            self._news.set()

    def _append(self, changes: Iterable[ChangeRecord]) -> None:
        for record in changes:
            self._head = record.revision
            self._ring.append(record)
            self._ring_bytes += len(record.json)
            for subscription in tuple(self._subscriptions.get(record.storage.id, ())):
                subscription.offer(record)
            self._trim()

    def _trim(self) -> None:
        while len(self._ring) > 1 and (len(self._ring) > RING_RECORDS or self._ring_bytes > RING_BYTES):
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.json)
            self._floor = oldest.revision
        if len(self._ring) > PARSED_RECORDS:
            self._ring[-PARSED_RECORDS - 1].forget()

    async def _follow(self) -> None:
        pause = _RETRY_SECONDS[0]
        while True:
            try:
                if self._head is None:
                    await self._begin()
                await self._advance()
                pause = _RETRY_SECONDS[0]
                await self._wait_for_news()
            except DatabaseError as error:
                logger.warning("the change feed cannot read the database, next try in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_SECONDS[1])

    async def _begin(self) -> None:
        self._head = self._floor = await pool.run(history.current_revision)
        self._ready.set()

    async def _wait_for_news(self) -> None:
        seconds = _POLL_SECONDS if self._redis_is_there else _POLL_ALONE_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
                return
        await self._check_history()

    async def _check_history(self) -> None:
        before = self.revision  # commits of this process go on while the database is asked
        current = await pool.run(history.current_revision)
        if current < before:
            self._restart("the history was set back", current)
        elif current > self.revision:
            self._news.set()

    async def _advance(self) -> None:
        """Read from the database until there is no more."""
        while True:
            self._news.clear()
            try:
                records = await pool.run(history.changes_since, self.revision, _BATCH)
            except Expired:
                self._restart("the change feed fell behind the history", await pool.run(history.current_revision))
                return
            # Commits of this process may have come in during the read.
            self._append(record for record in records if record.revision == self.revision + 1)
            if len(records) < _BATCH:
                return

    def _restart(self, why: str, revision: int) -> None:
        logger.warning("%s: watches start over at revision %d", why, revision)
        self._ring.clear()
        self._ring_bytes = 0
        self._head = self._floor = revision
        self._drop_everyone(why)

    # Redis

    async def _listen(self) -> None:
        pause = _RETRY_SECONDS[0]
        while True:
            try:
                async for revision in _published():
                    pause = _RETRY_SECONDS[0]
                    self._redis_is_there = True
                    if revision == _SUBSCRIBED or revision > self.revision:
                        self._news.set()
            except Exception as error:  # noqa: BLE001 - the loop's outer edge: whatever ails Redis, the poll goes on
                logger.debug("the change feed is without Redis: %s", error)
            self._redis_is_there = False
            self._news.set()  # the wait under way still counts on Redis
            await asyncio.sleep(pause)
            pause = min(pause * 2, _RETRY_SECONDS[1])

    # Subscriptions

    def covers(self, revision: int) -> bool:
        """Whether memory holds everything after the revision."""
        return revision >= self._floor

    def since(self, revision: int) -> Iterable[ChangeRecord]:
        """From memory; needs `covers`."""
        if revision >= self.revision:
            return ()
        # From the end: most subscriptions start near the head.
        found = []
        for record in reversed(self._ring):
            if record.revision <= revision:
                break
            found.append(record)
        return reversed(found)

    def join(self, subscription: Subscription) -> None:
        for identifier in subscription.kinds:
            self._subscriptions.setdefault(identifier, set()).add(subscription)

    def leave(self, subscription: Subscription) -> None:
        for identifier in subscription.kinds:
            self._subscriptions.get(identifier, set()).discard(subscription)

    def _drop_everyone(self, why: str) -> None:
        for subscription in set().union(*self._subscriptions.values()):
            subscription.expire(why)


class Subscription:
    """An asynchronous iterator over the changes after a revision, for one consumer. Close it when done."""

    def __init__(
        self, feed: Feed, wanted: Collection[Kind], *, after: int, namespace: str = "", match: Match | None = None
    ) -> None:
        self.kinds = frozenset(kinds.of(kind).id for kind in wanted)
        self._feed = feed
        self._namespace = namespace
        self._match = match
        self._position = after
        """Everything up to it was put into the queue or was not wanted; only kept until the subscription is live."""
        self._live = False
        self._queue: deque[ChangeRecord] = deque()
        self._delivered = after
        self._waiter: asyncio.Future[None] | None = None
        self._expired: str | None = None

    @property
    def revision(self) -> int:
        """Everything wanted up to it has been delivered: fit for a bookmark."""
        if self._queue or not self._live:
            return self._delivered
        return max(self._delivered, self._feed.revision)

    def __aiter__(self) -> AsyncIterator[ChangeRecord]:
        return self

    async def __anext__(self) -> ChangeRecord:
        await self._wait()
        return self._deliver()

    async def batch(self, limit: int = 500) -> list[ChangeRecord]:
        """Everything there is, up to a limit; waits for the first."""
        await self._wait()
        return [self._deliver() for _ in range(min(limit, len(self._queue)))]

    async def settle(self) -> None:
        """Return once everything that the feed knows now is in the queue or was not wanted. For tests and bookmarks."""
        while not self._live and not self._queue:
            await self._catch_up()

    def close(self) -> None:
        self._feed.leave(self)
        self._queue.clear()
        self.expire("the subscription was closed")

    # The feed's side

    def offer(self, record: ChangeRecord) -> None:
        if record.revision <= self._position or not self._wants(record):
            return
        if len(self._queue) >= QUEUE_RECORDS:
            self.expire("the watcher is too slow")
            return
        self._queue.append(record)
        self._wake()

    def expire(self, why: str) -> None:
        self._feed.leave(self)
        if self._expired is None:
            self._expired = why
        self._wake()

    # The consumer's side

    async def _wait(self) -> None:
        while not self._queue:
            if self._expired is not None:
                raise Expired(f"too old resource version: {self._expired}")
            if not self._live:
                await self._catch_up()
                continue
            self._waiter = self._feed._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _deliver(self) -> ChangeRecord:
        record = self._queue.popleft()
        self._delivered = record.revision
        return record

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _catch_up(self) -> None:
        """From memory if possible, and then live: there is no await between the two. Else one batch from the database."""
        await self._feed.ready()
        if self._position > self._feed.revision:
            await self._require_future()
        if self._feed.covers(self._position):
            self._live = True
            self._feed.join(self)
            self._queue.extend(record for record in self._feed.since(self._position) if self._wants(record))
            self._position = max(self._position, self._feed.revision)
            return
        records = await pool.run(history.changes_since, self._position, _BATCH)
        self._queue.extend(record for record in records if self._wants(record))
        if records:
            self._position = records[-1].revision

    async def _require_future(self) -> None:
        """Another process may be ahead of this feed, but nobody is ahead of the database."""
        current = await pool.run(history.current_revision)
        if self._position > current:
            raise Expired(f"too large resource version: {self._position}, current: {current}")

    def _wants(self, record: ChangeRecord) -> bool:
        if record.storage.id not in self.kinds:
            return False
        if self._namespace and record.namespace != self._namespace:
            return False
        return self._match is None or self._match(record)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def start() -> Feed:
    """The running loop's feed, started."""
    loop = asyncio.get_running_loop()
    feed = _feeds.get(loop)
    if feed is None:
        feed = _feeds[loop] = Feed()
    feed.start()
    return feed


async def stop() -> None:
    feed = _feeds.pop(asyncio.get_running_loop(), None)
    if feed is not None:
        await feed.stop()


def subscribe(wanted: Collection[Kind], *, after: int, namespace: str = "", match: Match | None = None) -> Subscription:
    """The changes of these kinds strictly after a revision, usually that of a list. ``match`` is asked once per change
    and subscription, in the event loop: keep it cheap."""
    return Subscription(start(), wanted, after=after, namespace=namespace, match=match)


def revision() -> int:
    """Of the running loop's feed; 0 before it is ready."""
    return start().revision


_SUBSCRIBED = 0


async def _published() -> AsyncIterator[int]:
    """The revisions that other processes publish; first `_SUBSCRIBED`: what came before may have been missed."""
    import redis.asyncio

    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2.0, health_check_interval=15)
    try:
        async with client.pubsub() as listener:
            await listener.subscribe(channel())
            async for message in listener.listen():
                yield int(message["data"]) if message["type"] == "message" else _SUBSCRIBED
    finally:
        await client.aclose()


def _log_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("%s ended unexpectedly", task.get_name(), exc_info=task.exception())
