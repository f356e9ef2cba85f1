"""What holds for every page of `demo/shots.py`: axe (WCAG 2.2 AA) and the keyboard in both themes, no error in the console, no
sideways scrolling at 360 px, and the width of a 4K screen is used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import window
from tests.browser.demo import keyboard
from tests.browser.demo.seed import NAMESPACE, Demo
from tests.browser.demo.shots import PAGES, Shot
from tests.browser.demo.walk import settle, visit
from tests.cluster.instance import Instance

WIDE, HIGH = 3840, 900
"""The height decides nothing here, and takes its time to be drawn."""
USED = 0.6
"""Of a 4K screen by the page at least."""


@pytest.fixture(scope="module")
def shop(instance: Instance) -> Iterator[Instance]:
    """The demo's shop beside what else there is."""
    Demo(instance).seed()
    yield instance
    instance.api.delete(f"/api/v1/namespaces/{NAMESPACE}")


@pytest.fixture(scope="module")
def visitor(browser: Browser, shop: Instance, login: Any) -> Iterator[Page]:
    with window(browser, shop, reduced_motion="reduce", storage_state=login) as page:
        yield page


@pytest.fixture(scope="module")
def stranger(browser: Browser, shop: Instance) -> Iterator[Page]:
    with window(browser, shop, reduced_motion="reduce") as page:
        yield page


@pytest.mark.parametrize("shot", PAGES, ids=lambda shot: shot.name)
def test_every_page_is_accessible_and_fits_every_window(
    shot: Shot,
    shop: Instance,
    visitor: Page,
    stranger: Page,
    accessible: Callable[..., list[str]],
) -> None:
    page = visitor if shot.signed_in else stranger
    troubles: list[str] = page.troubles  # type: ignore[attr-defined]
    troubles.clear()
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")
    visit(page, shot, namespace=NAMESPACE, node=shop.node)
    found = [f"light: {line}" for line in accessible(page) + keyboard.troubles(page)]
    page.emulate_media(color_scheme="dark")
    settle(page)
    found += [f"dark: {line}" for line in accessible(page, colours_only=True) + keyboard.troubles(page)]
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
    found += keyboard.dialog_troubles(page)
    assert found == []
    assert [line for line in troubles if not _expected(shot, line)] == []


def test_the_focus_follows_where_one_goes(visitor: Page) -> None:
    """By the keyboard alone: past the navigation, along a list, to an object, into a dialog and out of it, and back."""
    page = visitor
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"/deployments?namespace={NAMESPACE}")
    names = page.get_by_role("table", name="Deployments").get_by_role("link")
    expect(names.nth(1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    names.first.focus()
    page.keyboard.press("ArrowDown")
    expect(names.nth(1)).to_be_focused()
    name = names.nth(1).inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name=name)).to_be_focused()
    expect(page).to_have_title(re.compile(f"^{name} "))
    for opener, by in (("Scale", ""), ("More actions", "Delete")):
        page.get_by_role("button", name=opener, exact=True).focus()
        page.keyboard.press("Enter")
        if by:
            page.get_by_role("menuitem", name=by).focus()
            page.keyboard.press("Enter")
        expect(page.get_by_role("dialog").locator(":focus")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name=opener, exact=True)).to_be_focused()
    page.keyboard.press("Shift+?")
    page.get_by_role("switch", name="Keys that act by themselves").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", level=1, name="Deployments")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("heading", level=1, name="Deployments")).to_be_focused()
    page.evaluate("localStorage.removeItem('slipway-preferences')")


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
