"""One piece of work for all who want it at the same time (single flight)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
News = TypeVar("News")


@dataclass
class Flight(Generic[News]):
    task: asyncio.Task[Any] | None = None
    passengers: int = 0
    listeners: list[Callable[[News], None]] = field(default_factory=list)
    latest: News | None = None

    def tell(self, news: News) -> None:
        self.latest = news
        for listener in list(self.listeners):
            listener(news)


class Flights(Generic[News]):
    """By key. The work is cancelled when the last of those who wait for it goes away."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._flights: dict[Hashable, Flight[News]] = {}

    async def join(
        self,
        key: Hashable,
        work: Callable[[Callable[[News], None]], Awaitable[T]],
        listener: Callable[[News], None] | None = None,
    ) -> T:
        """The result of ``work``, which is given a function to tell news with; each listener hears them all."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight()
            flight.task = asyncio.create_task(self._fly(key, flight, work), name=f"{self._name} {key}")
        elif listener is not None and flight.latest is not None:
            listener(flight.latest)
        result: T = await self._ride(key, flight, listener)
        return result

    async def _ride(self, key: Hashable, flight: Flight[News], listener: Callable[[News], None] | None) -> Any:
        if flight.task is None:
            raise RuntimeError("a flight without a task")
        if listener is not None:
            flight.listeners.append(listener)
        flight.passengers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.passengers -= 1
            if listener is not None:
                flight.listeners.remove(listener)
            if flight.passengers == 0 and not flight.task.done():
                self._leave(key, flight)
                flight.task.cancel()
                await asyncio.wait([flight.task])

    async def _fly(
        self, key: Hashable, flight: Flight[News], work: Callable[[Callable[[News], None]], Awaitable[T]]
    ) -> T:
        try:
            return await work(flight.tell)
        finally:
            self._leave(key, flight)

    def _leave(self, key: Hashable, flight: Flight[News]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run blocking work to its end: who is cancelled meanwhile still waits for it, since a thread cannot be stopped.

    What `asyncio.to_thread` leaves running would change the store behind the back of whoever comes next.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def all_or_first_error(work: list[Awaitable[None]]) -> None:
    """Run all at once; the first error cancels the rest, and nothing of them is left when it is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    if not tasks:
        return
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
