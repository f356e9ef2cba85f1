"""What every part measures: a running instance, a browser and somebody who is signed in; and the DevTools protocol beside
Playwright."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, ViewportSize, sync_playwright

from tests.browser import chromium
from tests.browser.demo.walk import sign_in
from tests.cluster.instance import ROOT, Instance, wait_for

VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
TIMEOUT_MS = 120_000


@dataclass
class World:
    """What every part measures: an instance, a browser, somebody who is signed in."""

    instance: Instance
    browser: Browser
    state: Any
    """Cookies and storage after the login."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.instance.http_port}"

    @contextmanager
    def context(self, script: str = "", address: str = "") -> Iterator[BrowserContext]:
        """A fresh profile that is signed in: nothing is in its cache. ``script`` runs before the page's own."""
        made = self.browser.new_context(
            base_url=address or self.address,
            viewport=VIEWPORT,
            storage_state=self.state,
        )
        made.set_default_timeout(TIMEOUT_MS)
        if script:
            made.add_init_script(script)
        try:
            yield made
        finally:
            made.close()

    @contextmanager
    def writing(self, *words: str | int) -> Iterator[subprocess.Popen[bytes]]:
        """The writer, until the block is left."""
        process = self._writer(*words)
        try:
            yield process
            if process.poll() is not None:
                raise RuntimeError(f"the writer ended by itself: {process.returncode}")
        finally:
            process.terminate()
            process.wait()

    def revision(self) -> int:
        """Counts up with every write to the store."""
        answer = self.instance.api.get("/api/v1/namespaces", params={"limit": 1}).raise_for_status()
        return int(answer.json()["metadata"]["resourceVersion"])

    def write(self, *words: str | int) -> None:
        if self._writer(*words).wait() != 0:
            raise RuntimeError(f"the writer failed: {words}")

    def _writer(self, *words: str | int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.browser.writer", *map(str, words)]
        return subprocess.Popen(command, env=dict(self.instance.environment), cwd=ROOT)


@contextmanager
def world(instance: Instance) -> Iterator[World]:
    if chromium.CHROMIUM is None:
        sys.exit("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.CHROMIUM, args=chromium.ARGUMENTS)
        try:
            yield World(instance, browser, _sign_in(browser, instance))
        finally:
            browser.close()


def _sign_in(browser: Browser, instance: Instance) -> Any:
    context = browser.new_context(base_url=f"http://127.0.0.1:{instance.http_port}")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, instance.password)
    state = context.storage_state()
    context.close()
    return state


def open_list(page: Page, rows: int) -> None:
    """The pods' list, complete."""
    page.goto("/pods")
    table = page.locator("table[aria-rowcount]")
    wait_for(f"{rows} rows", lambda: int(table.get_attribute("aria-rowcount") or 0) >= rows, seconds=TIMEOUT_MS / 1000)


def devtools(page: Page) -> CDPSession:
    """Durations among its metrics are processor time of the page's main thread: other load does not count."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def metrics(session: CDPSession) -> dict[str, float]:
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}


def heap_bytes(session: CDPSession) -> float:
    """What is in use after the garbage has been collected."""
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"])
