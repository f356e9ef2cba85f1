"""Watches: the change feed in the form that a client asked for. No thread is held while one waits.

`Watcher` turns a target and its options into watch events as bytes; `respond` streams them as one HTTP response, and
`multiplex` carries many over one WebSocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

from django.http import StreamingHttpResponse

from controlplane.api import errors, query, rendering, tables
from controlplane.api.presentation import Form, Presentation
from controlplane.api.query import ListOptions
from controlplane.api.routing import Target
from controlplane.store import feed, objects, pool
from controlplane.store.errors import Expired
from controlplane.store.objects import ChangeRecord, ChangeType, Page
from schema.base import Wire

BOOKMARK_SECONDS = 60.0
"""How often a quiet watch is told how far it is, so that it need not list again after a reconnect."""
LIFE_SECONDS = (1800.0, 3600.0)
"""A watch without timeoutSeconds ends somewhere in between, so that clients spread over the web processes anew."""
INITIAL_END = "k8s.io/initial-events-end"

_stopping: asyncio.Event | None = None


def stopping() -> asyncio.Event:
    """Set when the process is going to stop: every watch then ends, and its client resumes elsewhere."""
    global _stopping
    if _stopping is None:
        _stopping = asyncio.Event()
    return _stopping


class Watcher:
    """One watch. `events` yields one event per item, as a line of JSON."""

    def __init__(self, target: Target, options: ListOptions, shown: Presentation, included: str) -> None:
        self._target = target
        self._options = options
        self._shown = shown
        self._included = included
        self._columns_told = False

    async def events(self) -> AsyncIterator[bytes]:
        try:
            async for event in self._events():
                yield event
        except Expired as error:
            yield _line("ERROR", errors.Expired(str(error)).status())

    async def _events(self) -> AsyncIterator[bytes]:
        after, initial = await self._beginning()
        if initial is not None:
            for item in initial.items:
                yield self._frame_object(ChangeType.ADDED, item)
            if self._options.send_initial_events:
                yield self._bookmark(after, initial_end=True)
        async for event in self._follow(after):
            yield event

    async def _beginning(self) -> tuple[int, Page | None]:
        """Where to follow from, and the objects to begin with: where they are asked for, or where the client names no
        revision (it then wants the state and what follows)."""
        options = self._options
        if options.send_initial_events or (options.send_initial_events is None and not options.revision):
            page = await pool.run(self._list)
            return page.revision, page
        if not options.revision:
            return await pool.run(objects.current_revision), None
        return options.revision, None

    def _list(self) -> Page:
        return objects.list_objects(
            self._target.kind,
            namespace=self._target.namespace,
            labels=self._options.labels,
            fields=self._options.fields,
        )

    async def _follow(self, after: int) -> AsyncIterator[bytes]:
        subscription = feed.subscribe([self._target.kind], after=after, namespace=self._target.namespace)
        told = after
        try:
            while True:
                try:
                    async with asyncio.timeout(BOOKMARK_SECONDS if self._options.bookmarks else None):
                        batch = await subscription.batch()
                except TimeoutError:
                    if subscription.revision > told:
                        told = subscription.revision
                        yield self._bookmark(told)
                    continue
                for record in batch:
                    frame = self._frame(record)
                    if frame is not None:
                        told = record.revision
                        yield frame
        finally:
            subscription.close()

    def _frame(self, record: ChangeRecord) -> bytes | None:
        seen = record.seen_through(self._options.labels, self._options.fields)
        if seen is None:
            return None
        if self._shown.form is Form.PLAIN:
            return record.frame(seen)
        return self._frame_object(seen, record.object)

    def _frame_object(self, event: ChangeType, wire: Wire) -> bytes:
        return _line(event, self._form(wire))

    def _form(self, wire: Wire) -> Wire:
        if self._shown.form is Form.TABLE:
            metadata = {"resourceVersion": wire["metadata"].get("resourceVersion", "")}
            shown = tables.table(
                self._target.kind,
                [wire],
                metadata,
                included=self._included,
                version=self._shown.version,
                with_columns=not self._columns_told,
            )
            self._columns_told = True
            return shown
        if self._shown.form is Form.PLAIN:
            return wire
        return tables.metadata_only(wire, self._shown.version)

    def _bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        kind = self._target.kind
        metadata: Wire = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {INITIAL_END: "true"}
        if self._shown.form is Form.TABLE:
            marked: Wire = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
            empty = tables.table(
                kind,
                [],
                {"resourceVersion": str(revision)},
                included="None",
                version=self._shown.version,
                with_columns=not self._columns_told,
            )
            self._columns_told = True
            # Clients read the annotation from the row's object, as there is none on a Table.
            return _line("BOOKMARK", {**empty, "rows": [{"cells": [], "object": marked}]})
        return _line("BOOKMARK", {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata})


def _line(event: str, wire: Wire) -> bytes:
    return rendering.dumps({"type": event, "object": wire}) + b"\n"


def respond(target: Target, options: ListOptions, shown: Presentation, included: str) -> StreamingHttpResponse:
    """The watch as an HTTP response of lines."""
    if options.send_initial_events and options.match != "NotOlderThan":
        raise query.forbidden_option(
            "ListOptions",
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    seconds = options.timeout_seconds or random.uniform(*LIFE_SECONDS)  # noqa: S311 - spreads load, hides nothing
    lines = limited(Watcher(target, options, shown, included).events(), seconds=seconds)
    return StreamingHttpResponse(lines, content_type=rendering.JSON)


async def limited(events: AsyncIterator[bytes], *, seconds: float) -> AsyncIterator[bytes]:
    """Until the events end, the time is over or the process stops; a regular end in each case."""
    stop = asyncio.create_task(stopping().wait(), name="watch stop")
    deadline = asyncio.get_running_loop().time() + seconds
    following: asyncio.Task[bytes] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(events))
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({stop, following}, timeout=max(left, 0), return_when=asyncio.FIRST_COMPLETED)
            if following not in done:
                return
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield event
    finally:
        for task in (stop, following):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                    await task
        await events.aclose()  # type: ignore[attr-defined] # ours are generators
