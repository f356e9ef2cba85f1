"""Headless Chromium against a whole instance with real containers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import images, registry
from tests.cluster.instance import ROOT, Instance, running

expect.set_options(timeout=60_000)
BROWSER_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
AXE = ROOT / "dashboard" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    if os.geteuid() != 0:
        pytest.skip("containers need root")
    # Quick steps of usage, so that charts have something to draw.
    with running(SLIPWAY_METRICS_SECONDS="2", SLIPWAY_METRICS_HISTORY_STEP_SECONDS="4") as started:
        yield started


@pytest.fixture(scope="session")
def busybox() -> Iterator[str]:
    with registry.start() as started:
        yield images.busybox().push(started, "busybox:latest")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=BROWSER_ARGUMENTS,
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, instance: Instance) -> Iterator[Page]:
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{instance.http_port}", viewport={"width": 1440, "height": 900}
    )
    context.set_default_timeout(60_000)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    opened.troubles = troubles  # type: ignore[attr-defined]
    yield opened
    context.close()


@pytest.fixture
def signed_in(page: Page, instance: Instance) -> Page:
    page.goto("/")
    page.get_by_role("textbox", name="Password").fill(instance.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Nodes").wait_for()
    return page


@pytest.fixture(scope="session")
def accessible() -> Callable[[Page], list[str]]:
    """What axe finds wrong with a page (WCAG 2.2 AA), a line for each."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in dashboard/frontend")
    source = AXE.read_text()

    def check(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("(tags) => axe.run(document, {runOnly: {type: 'tag', values: tags}})", AXE_RULES)
        return [
            f"{violation['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check
