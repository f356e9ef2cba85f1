"""The parts of `nodes` that a web process has one of, made when first used on its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from controlplane.nodes.agent_session import AgentSession
from controlplane.nodes.bus import Bus
from controlplane.nodes.dispatcher import Dispatcher
from controlplane.nodes.liveness import Liveness
from controlplane.nodes.metrics import MetricsWriter
from controlplane.nodes.reports import ReportWriter
from controlplane.nodes.sessions import Sessions
from controlplane.nodes.streams import Streams


class Hub:
    def __init__(self) -> None:
        self.bus = Bus()
        self.sessions = Sessions(self.bus)
        self.streams = Streams(self.bus, self.sessions)
        self.dispatcher = Dispatcher()
        self.reports = ReportWriter()
        self.metrics = MetricsWriter(self.bus)
        self.connected: set[AgentSession] = set()
        self.liveness = Liveness(self._alive, self._credentials, process=self.bus.process)

    async def aclose(self) -> None:
        await self.liveness.aclose()
        await self.dispatcher.aclose()
        await self.streams.aclose()
        await self.bus.aclose()

    def _alive(self) -> Mapping[str, str]:
        return {session.node: session.id for session in self.connected if self.sessions.find(session.node) is session}

    def _credentials(self) -> Mapping[bytes, Callable[[], None]]:
        return {session.credential: session.revoke for session in self.connected}


_current: tuple[asyncio.AbstractEventLoop, Hub] | None = None


def loop() -> asyncio.AbstractEventLoop | None:
    """That of the hub, for threads; None where this process has none."""
    return _current[0] if _current is not None and _current[0].is_running() else None


def current() -> Hub:
    """The hub of the running loop. A process has one loop; a test has one each."""
    global _current
    loop = asyncio.get_running_loop()
    if _current is None or _current[0] is not loop:
        _current = (loop, Hub())
    return _current[1]
