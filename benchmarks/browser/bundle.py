"""How much the browser fetches: for the first page, and further for each other one."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, expect

from benchmarks.browser.figures import aim, kb, row, title
from benchmarks.browser.world import World
from dashboard.assets import BUILT

AIM_BYTES = 600_000
PREFIX = "/static/dashboard/"
QUIET_MS = 1000
LOADER = "main [aria-busy]"
ROUTES = (
    "/pods",
    "/deployments",
    "/nodes",
    "/node-map",
    "/usage",
    "/events",
    "/create",
    "/create?as=yaml",
    "/topology",
    "/ports",
    "/repositories",
    "/builds",
    "/build",
    "/secrets",
    "/pods/default/{pod}",
    "/pods/default/{pod}?tab=logs",
    "/pods/default/{pod}?tab=terminal",
    "/pods/default/{pod}?tab=metrics",
    "/pods/default/{pod}?tab=yaml&edit=1",
)


@dataclass(frozen=True)
class Fetched:
    files: frozenset[str]
    """Below dashboard/static/dashboard."""
    transferred_bytes: int
    requests: int


@cache
def zipped_bytes(file: str) -> int:
    return len(gzip.compress((BUILT / file).read_bytes(), 9))


def run(world: World, pod: str) -> None:
    title("Bundle: what the browser fetched of scripts and styles, with an empty cache")
    row("", "files", "gzip", "transferred", "beyond first")
    first = record(world, "/")
    size = sum(map(zipped_bytes, first.files))
    _print("/ (the first page)", first, frozenset())
    for route in ROUTES:
        _print(route.format(pod="…"), record(world, route.format(pod=pod)), first.files)
    aim("first page under 600 kB gzip", size < AIM_BYTES)


def _print(name: str, fetched: Fetched, known: frozenset[str]) -> None:
    further = sum(map(zipped_bytes, fetched.files - known)) if known else 0
    whole = sum(map(zipped_bytes, fetched.files))
    row(name, str(len(fetched.files)), kb(whole), kb(fetched.transferred_bytes), kb(further) if known else "")


def record(world: World, address: str) -> Fetched:
    with world.context() as context:
        asked: list[Request] = []
        finished: list[Request] = []
        page = context.new_page()
        page.on("request", lambda request: asked.append(request))
        page.on("requestfinished", lambda request: finished.append(request))
        page.goto(address)
        page.locator("main h1").wait_for()
        _settle(page, asked)
        ours = [each for each in finished if urlsplit(each.url).path.startswith(PREFIX)]
        files = frozenset(urlsplit(each.url).path.removeprefix(PREFIX) for each in ours)
        return Fetched(files, sum(each.sizes()["responseBodySize"] for each in ours), len(finished))


def _settle(page: Page, asked: list[Request]) -> None:
    """Until nothing is being read any more, and for a while nothing further was asked for."""
    before = -1
    while len(asked) > before:
        before = len(asked)
        page.wait_for_timeout(QUIET_MS)
        expect(page.locator(LOADER)).to_have_count(0)
