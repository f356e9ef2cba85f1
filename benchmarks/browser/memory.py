"""Whether the memory of the page, and of the web process, stays as it is while pods and events come, change and go."""

from __future__ import annotations

import time

from playwright.sync_api import CDPSession

from benchmarks.browser.figures import FLAT, aim, mb, row, slope, title
from benchmarks.browser.processes import rss_bytes
from benchmarks.browser.world import World, devtools, heap_bytes, metrics

LIVING = 300
"""So many pods are there at once."""
SAMPLES = 60
WARM_SECONDS = 90
"""Before the first sample: the feed's memory of changes fills, lists fill."""
SETTLING = 0.25
"""The first share of a page's samples is left out: its code is compiled, again and better."""
AIM_BYTES_PER_HOUR = 2e6
PAGES = ("/pods", "/", "/events")


Points = list[tuple[float, float]]
"""Hours since the beginning, and what was found."""


def run(world: World, minutes: float, rate: int) -> None:
    title(f"Memory over {minutes:g} min of churn: {rate} writes a second make, change and delete pods and events")
    row("", "first", "last", "growth an hour", "± 2 errors", "verdict")
    web = world.instance.pid_of("web")
    server: Points = []
    with world.writing("churn", LIVING, rate):
        time.sleep(WARM_SECONDS)
        before, started = world.revision(), time.monotonic()
        verdicts = [_page(world, path, minutes * 60 / len(PAGES), web, server, started) for path in PAGES]
        row("writes a second, in truth", f"{(world.revision() - before) / (time.monotonic() - started):.0f}")
    verdicts.append(_print("the web process", server))
    aim(f"less than {mb(AIM_BYTES_PER_HOUR)} an hour, with certainty", all(verdict == FLAT for verdict in verdicts))


def _page(world: World, path: str, seconds: float, web: int, server: Points, began: float) -> str:
    heap: Points = []
    nodes: Points = []
    with world.context() as context:
        page = context.new_page()
        page.goto(path)
        page.locator("main h1").wait_for()
        session = devtools(page)
        started = time.monotonic()
        for number in range(SAMPLES):
            page.wait_for_timeout(max(0.0, started + seconds * number / SAMPLES - time.monotonic()) * 1000)
            hours = (time.monotonic() - began) / 3600
            heap.append((hours, heap_bytes(session)))
            nodes.append((hours, _nodes(session)))
            server.append((hours, rss_bytes(web)))
    kept = settled(nodes)
    row(f"{path}: DOM nodes", f"{kept[0][1]:.0f}", f"{kept[-1][1]:.0f}", f"{slope(kept).value:.0f}")
    return _print(f"{path}: heap of the page", heap)


def _print(name: str, points: Points) -> str:
    kept = settled(points)
    found = slope(kept)
    verdict = found.verdict(most=AIM_BYTES_PER_HOUR)
    row(name, mb(kept[0][1]), mb(kept[-1][1]), mb(found.value), mb(2 * found.error), verdict)
    return verdict


def settled(points: Points) -> Points:
    return points[int(len(points) * SETTLING) :]


def _nodes(session: CDPSession) -> float:
    return metrics(session)["Nodes"]
