"""How long until the page is live again: after a laptop's sleep, a lost network, a killed and a restarted control plane."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import httpx
from playwright.sync_api import CDPSession, Page

from benchmarks.browser import latency
from benchmarks.browser.figures import aim, row, title
from benchmarks.browser.wire import Wire
from benchmarks.browser.world import World
from tests.cluster.instance import wait_for

AIM_SECONDS = 7.5
"""The longest pause between two tries of the page."""


def run(world: World, seconds: float) -> None:
    title(f"Until live again, without a reload ({seconds:g} s away)")
    row("", "server answers", "page is live", "then a change")
    latency.create_watched(world)
    with Wire(world.instance.http_port) as wire, world.context(latency.SCRIPT, wire.address) as context:
        page = context.new_page()
        page.goto("/pods")
        page.get_by_text(latency.WATCHED).first.wait_for()
        page.evaluate("window.__loaded = true")
        session = page.context.new_cdp_session(page)
        trial = Trial(world, page)
        trial.run("network lost", lambda: _cut(wire, seconds), wire.join)
        trial.run("laptop asleep", lambda: _sleep(session, wire, seconds), lambda: _wake(session, wire))
        trial.run("web process killed", lambda: _kill(world), lambda: None)
        trial.run("control plane down and up", world.instance.stop, world.instance.up)
        aim("without a reload", page.evaluate("window.__loaded === true"))
        aim(f"live within {AIM_SECONDS:g} s of the server's first answer", trial.worst < AIM_SECONDS)


class Trial:
    def __init__(self, world: World, page: Page) -> None:
        self._world = world
        self._page = page
        self._number = 0
        self.worst = 0.0
        """Seconds until the page was live again."""

    def run(self, name: str, leave: Callable[[], None], back: Callable[[], None]) -> None:
        """``leave`` returns when the time away is over, ``back`` ends it. Something is written in between."""
        self._number += 1
        leave()
        back()
        came = time.monotonic()
        with self._world.instance.client() as api:
            wait_for("the server answers", lambda: _answers(api))
            answered = time.monotonic()
            word = f"Away{self._number}"
            latency.patch(api, word)
            self._page.get_by_text(word).first.wait_for()
            live = time.monotonic()
            self.worst = max(self.worst, live - answered)
            again = latency.write(self._page, api, f"Live{self._number}")["together"]
        row(name, f"{answered - came:.2f} s", f"{live - answered:.2f} s", f"{again:.0f} ms")


def _answers(api: httpx.Client) -> bool:
    try:
        return api.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _cut(wire: Wire, seconds: float) -> None:
    wire.cut()
    time.sleep(seconds)


def _sleep(session: CDPSession, wire: Wire, seconds: float) -> None:
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    _cut(wire, seconds)


def _wake(session: CDPSession, wire: Wire) -> None:
    wire.join()
    session.send("Page.setWebLifecycleState", {"state": "active"})


def _kill(world: World) -> None:
    os.kill(world.instance.pid_of("web"), signal.SIGKILL)
