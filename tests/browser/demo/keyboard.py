"""What the keyboard needs of a page: all that can be pressed can be reached, shows that it has the focus, and is not covered
while it has it (WCAG 2.1.1, 2.4.7, 2.4.11); headings in order (1.3.1), a title (2.4.2); dialogs that hold the focus and give
it back.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

CONTRAST = 3
"""Of a ring against what is around it, at least."""
MOST = 150
"""Of a page's controls are looked at: a list has the same in each row."""

WALK = Path(__file__).with_name("keyboard.js").read_text()


def troubles(page: Page) -> list[str]:
    """Of the page, or of the dialog over it."""
    page.keyboard.press("Shift")  # from here on the focus is the keyboard's, and is shown
    return [str(line) for line in page.evaluate(WALK, [CONTRAST, MOST])]


def dialog_troubles(page: Page) -> list[str]:
    """Of an open dialog: Tab stays in it, Escape closes it, the focus comes back. Nothing where none is open."""
    dialog = page.get_by_role("dialog")
    if dialog.count() == 0:
        return []
    inside = "document.activeElement?.closest('[role=dialog]') !== null"
    found = []
    for _ in range(12):
        page.keyboard.press("Tab")
        if not page.evaluate(inside):
            found.append("Tab leaves the dialog")
            break
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    expect(page.locator(":focus")).to_have_count(1)
    return found
