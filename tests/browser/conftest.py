"""Headless Chromium against one cluster of three nodes with real containers, for the whole run.

Each test has a browser context of its own: `signed_in` begins with the login already made, `page` without. What a test makes
in the cluster goes by names of its own, and it takes it away again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests import debian, images
from tests.browser import chromium
from tests.cluster.instance import ROOT, Instance
from tests.cluster.lab import Lab, lab
from tests.ports import free_port

DEADLINE_MS = 120_000
expect.set_options(timeout=DEADLINE_MS)
AXE = ROOT / "dashboard" / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
AXE_RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
AXE_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""What a theme decides."""


PACKAGES = {
    "visits-redis": ["redis-server"],
    "visits-php": ["php8.2-fpm", "php-redis"],
    "visits-nginx": ["nginx-light"],
}
"""Images of Debian's packages that test_applications.py runs."""
VISITS = "visits.example.com"
"""The host of its Ingress: the browser finds it at its own loopback."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The demo's shop has what fails on purpose, which other tests would find; and what waits for Debian's packages comes last,
    as they are unpacked while the others run."""
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)
    last = ["test_pages.py", "test_applications.py"]
    items.sort(key=lambda item: last.index(item.path.name) if item.path.name in last else -1)


@pytest.fixture(scope="package")
def debian_images(request: pytest.FixtureRequest) -> Iterator[dict[str, Future[images.Built]]]:
    """Begun with the session, if anything in it asks for them."""
    asked = any("debian_images" in getattr(item, "fixturenames", ()) for item in request.session.items)
    with ThreadPoolExecutor(1) as pool:
        yield {name: pool.submit(debian.image, *of) for name, of in PACKAGES.items() if asked}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="package")
def cluster(debian_images: object) -> Iterator[Lab]:
    if missing := chromium.is_missing():
        pytest.skip(missing)
    # Quick steps of usage, so that charts have something to draw.
    settings = {"SLIPWAY_METRICS_SECONDS": "2", "SLIPWAY_METRICS_HISTORY_STEP_SECONDS": "4"}
    with lab(nodes=3, SLIPWAY_REGISTRY_PORT=str(free_port()), **settings) as made:
        yield made


@pytest.fixture(scope="package")
def instance(cluster: Lab) -> Lab:
    return cluster


@pytest.fixture(scope="package")
def busybox(cluster: Lab) -> Iterator[str]:
    with cluster.registry() as started:
        yield images.busybox().push(started, "busybox:latest")


@pytest.fixture(scope="package")
def place(cluster: Lab) -> Iterator[chromium.Place]:
    with chromium.place() as made:
        made.lead(cluster.http_port, to=("127.0.0.1", cluster.http_port))
        yield made


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright, place: chromium.Place) -> Iterator[Browser]:
    launched = place.launch(playwright.chromium, "--no-proxy-server", f"--host-resolver-rules=MAP {VISITS} 127.0.0.1")
    yield launched
    launched.close()


@contextmanager
def window(browser: Browser, instance: Instance, **options: Any) -> Iterator[Page]:
    """A page of a new browser context. `troubles` gathers what it had to say to its console."""
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{instance.http_port}", viewport={"width": 1440, "height": 900}, **options
    )
    context.set_default_timeout(DEADLINE_MS)
    opened = context.new_page()
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    opened.troubles = troubles  # type: ignore[attr-defined]
    yield opened
    context.close()


@pytest.fixture
def page(browser: Browser, instance: Instance) -> Iterator[Page]:
    """Nobody is signed in."""
    with window(browser, instance) as opened:
        yield opened


@pytest.fixture(scope="package")
def login(browser: Browser, instance: Instance) -> Any:
    """The cookies of somebody who has signed in."""
    with window(browser, instance) as opened:
        sign_in(opened, instance)
        return opened.context.storage_state()


@pytest.fixture
def signed_in(browser: Browser, instance: Instance, login: Any) -> Iterator[Page]:
    """A page that is still empty: its test goes where it wants to be."""
    with window(browser, instance, storage_state=login) as opened:
        yield opened


def sign_in(page: Page, instance: Instance) -> None:
    """By the form, wherever it is shown."""
    if page.url == "about:blank":
        page.goto("/")
    page.get_by_role("textbox", name="Password").fill(instance.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("navigation", name="Navigation").wait_for()


@pytest.fixture(scope="package")
def accessible() -> Callable[..., list[str]]:
    """What axe finds wrong with a page (WCAG 2.2 AA), or with its colours, a line for each."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in dashboard/frontend")
    source = AXE.read_text()

    def check(page: Page, *, colours_only: bool = False) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        rules = AXE_COLOURS if colours_only else AXE_RULES
        found = page.evaluate("(rules) => axe.run(document, {runOnly: rules})", rules)
        return [
            f"{violation['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    return check
