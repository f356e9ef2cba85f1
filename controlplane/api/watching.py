"""Watch: first what there is (where the client asks for it), then every change as it is committed.

The part that reads the database (`open_watch`) is synchronous and runs in the store's pool; the part that waits
(`Watch.events`) is an asynchronous generator over the feed and costs no thread. The HTTP view and the multiplexed
WebSocket are both built on these two.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from django.http import StreamingHttpResponse

from controlplane.api import errors, metrics, reading, rendering, reveal, tables
from controlplane.api.presentation import Form, Presentation
from controlplane.api.query import ListOptions
from controlplane.api.routing import Target
from controlplane.store import feed, objects
from controlplane.store.errors import Expired
from controlplane.store.feed import Subscription
from controlplane.store.record import ChangeRecord
from schema.base import Wire

BOOKMARK_SECONDS = 60.0
"""How often an idle watch that allows bookmarks is told how far the history has come."""
DEFAULT_TIMEOUT_SECONDS = 1800.0
"""Watches without a ``timeoutSeconds`` end between this and twice this, so that they do not all come back at once."""
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Watch:
    """One watch, ready to be followed. ``initial`` holds whole lines, gathered into chunks, until they are sent."""

    target: Target
    options: ListOptions
    shown: Presentation
    included: str
    initial: deque[bytes]
    after: int

    def state(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """What there is, gathered into chunks, and the bookmark that ends it where the client asked for one."""
        gathered, empty = bytearray(), True
        for one in lines:
            gathered += one
            empty = False
            if len(gathered) > _CHUNK_BYTES:
                yield bytes(gathered)
                gathered.clear()
        if self.options.send_initial_events:
            gathered += self._bookmark(self.after, initial_end=True, columns=empty)
        if gathered:
            yield bytes(gathered)

    def added(self, items: Iterable[Wire]) -> Iterator[bytes]:
        return (line("ADDED", self._shape(item, columns=index == 0)) for index, item in enumerate(items))

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Lines ``{"type": …, "object": …}``; ends at the timeout, or after an ERROR when the history is too short."""
        columns = not self.initial
        while self.initial:
            # Let go of at once: a list of thousands would be held for as long as its watch lasts.
            yield self.initial.popleft()
        timeout = self.options.timeout_seconds or DEFAULT_TIMEOUT_SECONDS * (1 + random.random())  # noqa: S311
        deadline = asyncio.get_running_loop().time() + timeout
        with metrics.watching(self.target.kind), closing(self._subscribe()) as subscription:
            while True:
                try:
                    changes = await _next(subscription, deadline, bookmarks=self.options.bookmarks)
                except Expired as error:
                    yield line("ERROR", errors.Expired(str(error)).status())
                    return
                if changes is None:
                    return
                if not changes and self.options.bookmarks:
                    yield self._bookmark(subscription.revision, columns=columns)
                    columns = False
                for chunk in self._told(changes, columns=columns):
                    columns = False
                    yield chunk

    def _subscribe(self) -> Subscription:
        return feed.subscribe({self.target.kind}, after=self.after, namespace=self.target.namespace)

    def _told(self, changes: list[ChangeRecord], *, columns: bool) -> Iterator[bytes]:
        """What of these changes this watch is to be told, together in one piece."""
        told = []
        for change in changes:
            word = change.seen_through(self.options.labels, self.options.fields)
            if word is None:
                continue
            if self.shown.form is Form.PLAIN and self.target.version is None:
                told.append(change.frame(word))
            else:
                told.append(line(word, self._shape(change.object, columns=columns)))
                columns = False
        if told:
            yield b"".join(told)

    def _shape(self, wire: Wire, *, columns: bool) -> Wire:
        """An object in the form asked for. Of Tables only the first event defines the columns."""
        version = self.shown.version
        if self.shown.form is Form.TABLE:
            metadata = {"resourceVersion": wire["metadata"].get("resourceVersion", "")}
            return tables.table(
                self.target.ruling,
                [wire],
                metadata,
                included=self.included,
                version=version,
                with_columns=columns,
                shown=self._shown,
            )
        wire = self._shown(wire)
        if self.shown.form is Form.MASKED:
            return reveal.masked(wire)
        return wire if self.shown.form is Form.PLAIN else tables.metadata_only(wire, version)

    def _shown(self, wire: Wire) -> Wire:
        """A bookmark has nothing to show but its metadata."""
        return self.target.shown(wire) if "uid" in wire["metadata"] else wire

    def _bookmark(self, revision: int, *, initial_end: bool = False, columns: bool = False) -> bytes:
        metadata: Wire = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = INITIAL_EVENTS_END
        kind = self.target.served
        bookmark = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return line("BOOKMARK", self._shape(bookmark, columns=columns))


async def _next(subscription: Subscription, deadline: float, *, bookmarks: bool) -> list[ChangeRecord] | None:
    """The next changes; none of them when it is time for a bookmark, None when the watch is over."""
    now = asyncio.get_running_loop().time()
    until = min(deadline, now + BOOKMARK_SECONDS) if bookmarks else deadline
    try:
        async with asyncio.timeout_at(until):
            return await subscription.batch()
    except TimeoutError:
        return None if until >= deadline else []


def line(word: str, wire: Wire) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (word.encode(), rendering.dumps(wire))


def _added(encoded: bytes) -> bytes:
    return b'{"type":"ADDED","object":%b}\n' % encoded


def open_watch(target: Target, options: ListOptions, shown: Presentation, included: str) -> Watch:
    """Synchronous. A resourceVersion says where to begin; a watch without one, or with 0, begins with what there is."""
    anywhere = options.revision in (None, 0)
    if options.send_initial_events or (options.send_initial_events is None and anywhere):
        if shown.form is Form.PLAIN:
            encoded = reading.page_encoded(target, options)
            draft = Watch(target, options, shown, included, deque(), encoded.revision)
            return replace(draft, initial=deque(draft.state(map(_added, encoded.items))))
        found = reading.page(target, options)
        draft = Watch(target, options, shown, included, deque(), found.revision)
        return replace(draft, initial=deque(draft.state(draft.added(found.items))))
    after = objects.current_revision() if anywhere else options.revision
    return Watch(target, options, shown, included, deque(), after or 0)


class WatchResponse(StreamingHttpResponse):
    """A watch may end at any time, so a server that stops ends it as if it were complete: the client takes it up again."""

    ends_cleanly = True

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch.events(), content_type=rendering.JSON)


def respond(watch: Watch) -> WatchResponse:
    return WatchResponse(watch)
