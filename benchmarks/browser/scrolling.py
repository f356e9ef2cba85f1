"""Scrolling through a long list while it changes: work for each frame, frames that were not drawn, the longest task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import CDPSession, Page

from benchmarks.browser.figures import aim, ms, quantile, row, title
from benchmarks.browser.world import World, devtools, metrics, open_list

FRAME_MS = 1000 / 60
CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "v8.execute"]
SPEEDS = {"slowly": 800, "quickly": 4000}
"""Pixels a second: about a row a frame; and a wheel that is spun."""
SECONDS = 8
MOST_DROPPED = 0.05
FRAMES = """
(() => {
  const frames = (window.__frames = []);
  const next = (at) => { frames.push(at); window.__stop || requestAnimationFrame(next); };
  window.__stop = false;
  requestAnimationFrame(next);
})()
"""


@dataclass(frozen=True)
class Scroll:
    frames: int
    missed: int
    frame_ms: list[float]
    work_ms: float
    """Processor time of the main thread for a frame, on average."""
    tasks_ms: list[float]
    """Wall time of each of the main thread's tasks."""


def run(world: World, pods: int, rate: int) -> None:
    title(f"Scrolling a list of {pods:,} pods of which {rate} a second change")
    row("", "work a frame", "frame p50", "frame p95", "dropped", "longest task")
    with world.context() as context:
        page = context.new_page()
        open_list(page, pods)
        found: dict[str, Scroll] = {}
        with world.writing("change", pods, rate):
            page.wait_for_timeout(2000)
            for name, speed in {"standing still": 0, **SPEEDS}.items():
                found[name] = measure(world, page, speed)
                _print(name if not speed else f"{name}, {speed} px/s", found[name])
    aim(f"work under {FRAME_MS:.1f} ms a frame", max(scroll.work_ms for scroll in found.values()) < FRAME_MS)
    aim(f"60 frames a second: fewer than {MOST_DROPPED:.0%} dropped", max(map(dropped, found.values())) < MOST_DROPPED)


def _print(name: str, scroll: Scroll) -> None:
    p50, p95 = quantile(scroll.frame_ms, 0.5), quantile(scroll.frame_ms, 0.95)
    row(name, ms(scroll.work_ms), ms(p50), ms(p95), f"{dropped(scroll):.1%}", ms(max(scroll.tasks_ms)))


def dropped(scroll: Scroll) -> float:
    return scroll.missed / (scroll.frames + scroll.missed)


def measure(world: World, page: Page, speed: int) -> Scroll:
    session = devtools(page)
    world.browser.start_tracing(page=page, categories=CATEGORIES)
    page.evaluate(FRAMES)
    before = metrics(session)
    if speed:
        _scroll(session, speed)
    else:
        page.wait_for_timeout(SECONDS * 1000)
    after = metrics(session)
    stamps = page.evaluate("(window.__stop = true, window.__frames)")
    trace = json.loads(world.browser.stop_tracing())["traceEvents"]
    session.detach()
    intervals = [late - early for early, late in pairwise(stamps)]
    missed = sum(max(0, round(each / FRAME_MS) - 1) for each in intervals)
    worked = (after["TaskDuration"] - before["TaskDuration"]) * 1000
    return Scroll(len(stamps), missed, intervals, worked / len(stamps), tasks(trace))


def _scroll(session: CDPSession, speed: int) -> None:
    """As a wheel does: the compositor scrolls, the page draws what comes into sight. Down, and half the way up."""
    for distance in (-speed * SECONDS * 2 // 3, speed * SECONDS // 3):
        session.send(
            "Input.synthesizeScrollGesture",
            {"x": 700, "y": 500, "yDistance": distance, "speed": speed, "gestureSourceType": "mouse"},
        )


def tasks(trace: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of each task of the page's main thread."""
    names = {(e["pid"], e["tid"]) for e in trace if e["name"] == "FireAnimationFrame"}
    return [
        e["dur"] / 1000 for e in trace if e["name"].endswith("RunTask") and "dur" in e and (e["pid"], e["tid"]) in names
    ]
