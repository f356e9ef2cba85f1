"""Whether the page's memory stays as it is while pods come, change and go."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import CDPSession

from benchmarks.browser.figures import Slope, mb, row, slope, title
from benchmarks.browser.world import World, devtools, heap_bytes, metrics

LIVING = 300
"""So many pods are there at once."""
SAMPLES = 60
SETTLING = 0.2
"""The first share of the samples is left out: lists fill, code is compiled."""
AIM_BYTES_PER_HOUR = 2e6
PAGES = ("/pods", "/")


def run(world: World, minutes: float, rate: int) -> None:
    title(f"Memory over {minutes:g} min of churn: {rate} writes a second make, change and delete pods")
    row("", "first", "last", "growth an hour", "± 2 errors", "verdict")
    with world.writing("churn", LIVING, rate):
        before, started = world.revision(), time.monotonic()
        for path in PAGES:
            _page(world, path, minutes * 60 / len(PAGES))
        row("writes a second, in truth", f"{(world.revision() - before) / (time.monotonic() - started):.0f}")


def _page(world: World, path: str, seconds: float) -> None:
    heap: list[tuple[float, float]] = []
    nodes: list[tuple[float, float]] = []
    server: list[tuple[float, float]] = []
    web = world.instance.pid_of("web")
    with world.context() as context:
        page = context.new_page()
        page.goto(path)
        page.locator("main h1").wait_for()
        page.wait_for_timeout(5000)
        session = devtools(page)
        started = time.monotonic()
        for number in range(SAMPLES):
            page.wait_for_timeout(max(0.0, started + seconds * number / SAMPLES - time.monotonic()) * 1000)
            hours = (time.monotonic() - started) / 3600
            heap.append((hours, heap_bytes(session)))
            nodes.append((hours, _nodes(session)))
            server.append((hours, rss_bytes(web)))
    _print(f"{path}: heap of the page", heap)
    row(f"{path}: DOM nodes", f"{nodes[0][1]:.0f}", f"{nodes[-1][1]:.0f}", f"{settled(nodes).value:.0f}")
    _print(f"{path}: web process", server)


def _print(name: str, points: list[tuple[float, float]]) -> None:
    found = settled(points)
    row(
        name,
        mb(points[0][1]),
        mb(points[-1][1]),
        mb(found.value),
        mb(2 * found.error),
        found.verdict(most=AIM_BYTES_PER_HOUR),
    )


def settled(points: list[tuple[float, float]]) -> Slope:
    return slope(points[int(len(points) * SETTLING) :])


def _nodes(session: CDPSession) -> float:
    return metrics(session)["Nodes"]


def rss_bytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    raise ValueError("no VmRSS")
