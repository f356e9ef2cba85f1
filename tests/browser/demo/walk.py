"""Going to a page of the table and waiting until it is complete."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.demo.shots import Shot


def sign_in(page: Page, password: str) -> None:
    page.goto("/")
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Nodes").wait_for()


def visit(page: Page, shot: Shot, **names: str) -> None:
    """A whole load, so that no page inherits from the one before."""
    page.goto(shot.address.format(**names))
    page.get_by_text(shot.awaited.format(**names)).filter(visible=True).first.wait_for()
    if shot.act:
        shot.act(page)
    settle(page)


def settle(page: Page) -> None:
    """Nothing loads any more, and what the theme or the width changed is drawn."""
    expect(page.get_by_label("Loading").filter(visible=True)).to_have_count(0)
    page.evaluate(
        "document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 150))))"
    )
