"""The log viewer: 10,000 lines a second into 1,000,000 lines of scrollback; memory, work, lines that were lost; what it costs
the agent and the web process; then scrolling, searching and filtering what is there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import pairwise

from playwright.sync_api import CDPSession, Locator, Page

from benchmarks.browser import processes
from benchmarks.browser.figures import aim, mb, ms, quantile, row, title
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
NEARLY = 0.98
"""The writer sleeps between its pieces and does not make up for it."""
SERVERS = ("agent", "web")
HALF_WAY = "(element) => { element.scrollTop = element.scrollHeight / 2; }"
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
        spent = {name: processes.cpu_seconds(world.instance.pid_of(name)) for name in SERVERS}
        world.instance.kubectl("exec", "talker", "--", "touch", "/go")
        page.get_by_test_id("log").get_by_text("the end", exact=True).wait_for(timeout=LONGEST_SECONDS * 1000)
        seconds = time.monotonic() - started
        after = metrics(session)
        spent = {name: processes.cpu_seconds(world.instance.pid_of(name)) - was for name, was in spent.items()}
        frames = page.evaluate("(window.__stop = true, window.__frames)")
        gaps = [late - early for early, late in pairwise(frames)]
        work = (after["TaskDuration"] - before["TaskDuration"]) * 1000
        row("lines a second", f"{last / seconds:,.0f}")
        for name, seconds_spent in spent.items():
            row(f"{name}: processor time a line, share of a core", *_cost(seconds_spent, last, seconds))
        row("processor time: a frame, a line", ms(work / len(frames)), f"{work * 1000 / last:.1f} µs")
        row("frame p50, p95, worst", ms(quantile(gaps, 0.5)), ms(quantile(gaps, 0.95)), ms(max(gaps)))
        row("heap before, after", mb(empty), mb(heap_bytes(session)))
        _lost(page, last)
        _use(page, session, last)
        aim(f"work under {FRAME_MS:.1f} ms a frame", work / len(frames) < FRAME_MS)
        aim(f"{rate:,} lines a second", last / seconds > rate * NEARLY)


def _cost(spent: float, lines: int, seconds: float) -> tuple[str, str]:
    return f"{spent * 1e6 / lines:.1f} µs", f"{spent / seconds:.0%}"


def _use(page: Page, session: CDPSession, last: int) -> None:
    """Each to the place farthest away; processor time of the main thread, and until it is on screen by the wall."""
    log = page.get_by_test_id("log")
    row("", "processor time", "by the wall")

    def measure(name: str, act: Callable[[], object], shown: Locator) -> None:
        before, started = metrics(session)["TaskDuration"], time.monotonic()
        act()
        shown.wait_for()
        by_the_wall = (time.monotonic() - started) * 1000
        page.wait_for_timeout(100)  # whatever comes after it
        row(name, ms((metrics(session)["TaskDuration"] - before) * 1000), ms(by_the_wall))

    search = page.get_by_label("Search", exact=True)
    final = log.get_by_text(f"order {last} ")
    measure("a jump to the middle", lambda: log.evaluate(HALF_WAY), log.get_by_text("accepted").first)
    search.fill(f"order {last} ")
    measure("search: the only match is the last line", lambda: search.press("Enter"), final)
    search.fill("")
    log.evaluate("(element) => { element.scrollTop = 0; }")
    search.fill(f"order {last} ")
    only = page.get_by_role("button", name="Show only lines that match")
    measure("filter: down to one line", only.click, page.get_by_text("1 of 1,000,000 lines"))
    measure("filter: back to all", only.click, page.get_by_text("1,000,000 lines").last)
    search.fill("")


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
