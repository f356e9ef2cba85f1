"""From a write through the API to the screen: when its frame reaches the page, when the page has changed, when it is drawn."""

from __future__ import annotations

import time
from typing import Any

import httpx
from playwright.sync_api import Page

from benchmarks.browser.figures import aim, ms, quantile, row, title
from benchmarks.browser.world import World, open_list

AIM_MS = 200.0
WATCHED = "aaa-watched"
"""First in the list, so that it is on screen."""
SCRIPT = """
(() => {
  const probe = (window.__probe = { token: "" });
  window.__await = (token) =>
    (window.__drawn = new Promise((done) => Object.assign(probe, { token, done, frame: 0, seen: 0 })));
  const now = () => performance.timeOrigin + performance.now();
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", ({ data }) => {
        if (probe.token && !probe.frame && data.includes(probe.token)) probe.frame = now();
      });
    }
  };
  const look = (changes) => {
    if (!probe.token || probe.seen) return;
    if (!changes.some(({ target }) => target.textContent.includes(probe.token))) return;
    probe.seen = now();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => probe.done({ frame: probe.frame, seen: probe.seen, drawn: now() });
      port2.postMessage(0);
    });
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
})();
"""


def run(world: World, pods: int, rate: int, writes: int) -> None:
    title(f"From the store to the screen: {writes} writes by PATCH, a list of {pods:,} pods, {rate} a second change")
    row("", "p50", "p95", "worst")
    create_watched(world)
    with world.context(SCRIPT) as context, world.instance.client() as api:
        page = context.new_page()
        open_list(page, pods)
        page.get_by_text(WATCHED).first.wait_for()
        page.wait_for_timeout(2000)
        quiet = [write(page, api, f"Quiet{number:03}") for number in range(writes)]
        with world.writing("change", pods, rate):
            page.wait_for_timeout(2000)
            busy = [write(page, api, f"Busy{number:03}") for number in range(writes)]
    for name, found in (("quiet", quiet), ("busy", busy)):
        for part in found[0]:
            times = [each[part] for each in found]
            row(f"{name}: {part}", ms(quantile(times, 0.5)), ms(quantile(times, 0.95)), ms(max(times)))
    worst = quantile([each["together"] for each in busy], 0.95)
    aim("p95 within 200 ms", worst < AIM_MS)


def create_watched(world: World) -> None:
    if world.instance.pod(WATCHED) is not None:
        return
    made: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": WATCHED},
        "spec": {"nodeSelector": {"nowhere": "yes"}, "containers": [{"name": "main", "image": "busybox"}]},
    }
    world.instance.create(made)


def write(page: Page, api: httpx.Client, word: str) -> dict[str, float]:
    page.evaluate("(token) => void window.__await(token)", word)
    asked = time.time() * 1000
    patch(api, word)
    answered = time.time() * 1000
    probe = page.evaluate("window.__drawn")
    return {
        "request to the page's frame (server)": probe["frame"] - asked,
        "  of it after the answer": max(0.0, probe["frame"] - answered),
        "frame to changed (page)": probe["seen"] - probe["frame"],
        "changed to drawn": probe["drawn"] - probe["seen"],
        "together": probe["drawn"] - asked,
    }


def patch(api: httpx.Client, word: str) -> None:
    """The word becomes the state that the list shows."""
    answer = api.patch(
        f"/api/v1/namespaces/default/pods/{WATCHED}/status",
        json={"status": {"reason": word}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    answer.raise_for_status()
