"""The log viewer: 10,000 lines a second into 1,000,000 lines of scrollback; memory, work, lines that were lost."""

from __future__ import annotations

import re
import time
from itertools import pairwise

from playwright.sync_api import Page

from benchmarks.browser.figures import mb, ms, quantile, row, title
from benchmarks.browser.scrolling import FRAME_MS, FRAMES
from benchmarks.browser.world import World, devtools, heap_bytes, metrics
from tests.cluster.pods import container, pod

LINES = 1_050_000
"""More than the viewer keeps."""
PIECE = 1_000
SCRIPT = (
    "until [ -e /go ]; do usleep 10000; done; i=1; while [ $i -le {last} ]; do "
    "awk -v from=$i 'BEGIN {{ for (n = from; n < from + {piece}; n++) "
    'print "order " n " accepted from the harbour, customer 4711, 3 items, 99.50" }}\'; '
    "i=$((i+{piece})); usleep {pause}; done; echo the end; sleep 3600"
)
LONGEST_SECONDS = 900
COUNTED = re.compile(r"^(\d[\d,]* older lines? dropped · )?\d[\d,]* lines?$")


def run(world: World, image: str, rate: int, last: int = LINES) -> None:
    title(f"Logs: {last:,} lines at up to {rate:,} a second")
    world.instance.create(pod("talker", container("main", image, _script(last, rate))))
    world.instance.wait_running("talker")
    with world.context() as context:
        page = context.new_page()
        page.goto("/pods/default/talker?tab=logs")
        page.get_by_test_id("log").wait_for()
        page.get_by_text("Following").wait_for()
        session = devtools(page)
        empty = heap_bytes(session)
        page.evaluate(FRAMES)
        before, started = metrics(session), time.monotonic()
        world.instance.kubectl("exec", "talker", "--", "touch", "/go")
        page.get_by_test_id("log").get_by_text("the end", exact=True).wait_for(timeout=LONGEST_SECONDS * 1000)
        seconds = time.monotonic() - started
        after = metrics(session)
        frames = page.evaluate("(window.__stop = true, window.__frames)")
        gaps = [late - early for early, late in pairwise(frames)]
        work = (after["TaskDuration"] - before["TaskDuration"]) * 1000
        row("lines a second", f"{last / seconds:,.0f}")
        row("processor time: a frame, a line", ms(work / len(frames)), f"{work * 1000 / last:.1f} µs")
        row("frame p50, p95, worst", ms(quantile(gaps, 0.5)), ms(quantile(gaps, 0.95)), ms(max(gaps)))
        row("heap before, after", mb(empty), mb(heap_bytes(session)))
        _lost(page, last)
        row(f"aim: work under {FRAME_MS:.1f} ms a frame", "met" if work / len(frames) < FRAME_MS else "MISSED")


def _script(last: int, rate: int) -> str:
    return SCRIPT.format(last=last, piece=PIECE, pause=int(PIECE / rate * 1e6 * 0.9))


def _lost(page: Page, last: int) -> None:
    """The lines from the first that is kept to the last are as many as they should be; and both are the right ones."""
    log = page.get_by_test_id("log")
    foot = page.get_by_text(COUNTED).last.inner_text()
    *older, kept = (int(re.sub(r"\D", "", part)) for part in foot.split("·"))
    dropped = older[0] if older else 0
    log.evaluate("(element) => { element.scrollTop = 0; }")
    page.wait_for_timeout(1000)
    found = re.search(r"order (\d+) ", log.inner_text())
    first = int(found[1]) if found else -1
    row("lines kept, dropped as too old", f"{kept:,}", f"{dropped:,}")
    row("lines lost", str(last + 1 - dropped - kept), "in order" if first == dropped + 1 else f"BUT begins at {first}")
