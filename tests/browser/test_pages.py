"""What holds for every page of `demo/shots.py`: axe (WCAG 2.2 AA) in both themes, no error in the console, no sideways scrolling
at 360 px, and the width of a 4K screen is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.demo.seed import NAMESPACE, Demo
from tests.browser.demo.shots import PAGES, Shot
from tests.browser.demo.walk import settle, sign_in, visit
from tests.cluster.instance import Instance, running
from tests.ports import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root")
WIDE, HIGH = 3840, 2160
TROUBLES: dict[Page, list[str]] = {}
"""Errors in the console of each page since it was last cleared."""
USED = 0.6
"""Of a 4K screen by the page at least."""


@pytest.fixture(scope="module")
def shop() -> Iterator[Instance]:
    """The demo's shop on one node."""
    quick = {"SLIPWAY_METRICS_SECONDS": "2", "SLIPWAY_METRICS_HISTORY_STEP_SECONDS": "4"}
    with running(SLIPWAY_REGISTRY_PORT=str(free_port()), **quick) as started:
        Demo(started).seed()
        yield started


@pytest.fixture(scope="module")
def visitor(browser: Browser, shop: Instance) -> Iterator[Page]:
    yield from _opened(browser, shop, password=shop.password)


@pytest.fixture(scope="module")
def stranger(browser: Browser, shop: Instance) -> Iterator[Page]:
    yield from _opened(browser, shop, password="")


def _opened(browser: Browser, shop: Instance, *, password: str) -> Iterator[Page]:
    context = browser.new_context(base_url=f"http://127.0.0.1:{shop.http_port}", reduced_motion="reduce")
    context.set_default_timeout(60_000)
    page = context.new_page()
    troubles = TROUBLES[page] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    if password:
        sign_in(page, password)
    yield page
    context.close()


@pytest.mark.parametrize("shot", PAGES, ids=lambda shot: shot.name)
def test_every_page_is_accessible_and_fits_every_window(
    shot: Shot,
    shop: Instance,
    visitor: Page,
    stranger: Page,
    accessible: Callable[[Page], list[str]],
) -> None:
    page = visitor if shot.signed_in else stranger
    troubles = TROUBLES[page]
    troubles.clear()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    visit(page, shot, namespace=NAMESPACE, node=shop.node)
    found = [f"light: {line}" for line in accessible(page)]
    page.emulate_media(color_scheme="dark")
    settle(page)
    found += [f"dark: {line}" for line in accessible(page)]
    page.set_viewport_size({"width": WIDE, "height": HIGH})
    settle(page)
    if page.locator(".page").count():
        used = page.locator(".page").evaluate("(page) => page.clientWidth / window.innerWidth")
        if used < USED:
            found.append(f"at {WIDE} px {used:.0%} of the width is used")
    page.set_viewport_size({"width": 360, "height": 780})
    settle(page)
    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if over > 0:
        found.append(f"at 360 px it is {over} px too wide: {_widest(page)}")
    assert found == []
    assert [line for line in troubles if not _expected(shot, line)] == []


def _expected(shot: Shot, line: str) -> bool:
    """The browser itself tells of every answer that is no 2xx."""
    return shot.name in ("gone", "login") and "the server responded with a status of 40" in line


def _widest(page: Page) -> str:
    """What stands out of the window, for whoever has to mend it."""
    return str(
        page.evaluate(
            """() => [...document.querySelectorAll("body *")]
                .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
                .slice(0, 5).map((one) => one.outerHTML.slice(0, 160)).join(" | ")"""
        )
    )
