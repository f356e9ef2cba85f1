"""How long until the overview's sentence is on screen with what the cluster has; beside Django's own admin site."""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from benchmarks.browser import peer
from benchmarks.browser.figures import aim, ms, quantile, row, title
from benchmarks.browser.world import World, devtools, metrics

AIM_MS = 1000.0
SENTENCE = r"\d+ pods? running on \d+ node"
SHOWN = """
window.__painted = new Promise((resolve) => {
  const observer = new MutationObserver(() => {
    const told = [...document.querySelectorAll("main [role=status]")];
    if (!told.some(({ textContent }) => /PATTERN/.test(textContent))) return;
    observer.disconnect();
    // The next frame draws it; what is asked for in that frame comes after the drawing.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(performance.now());
      port2.postMessage(0);
    });
  });
  observer.observe(document, { childList: true, subtree: true, characterData: true });
});
const marks = (window.__marks = {});
const mark = (name) => (marks[name] ??= performance.now());
const Native = window.WebSocket;
window.WebSocket = class extends Native {
  constructor(...given) {
    super(...given);
    mark("socket asked for");
    this.addEventListener("open", () => mark("socket open"));
    this.addEventListener("message", ({ data }) => {
      if (/"BOOKMARK"/.test(data) && /"kind":"Node"/.test(data)) mark("nodes are here");
      if (/"BOOKMARK"/.test(data) && /"kind":"Pod"/.test(data)) mark("pods are here");
    });
  }
};
""".replace("PATTERN", SENTENCE)
STEPS = """
(() => {
  const [page] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/static/dashboard/"));
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return {
    "page answered": page.responseEnd,
    "files are here": Math.max(...files.map(({ responseEnd }) => responseEnd)),
    "frame painted": paint.startTime,
    ...window.__marks,
  };
})()
"""
FIRST_PAINT = """
new Promise((resolve) =>
  new PerformanceObserver((list) => {
    const found = list.getEntriesByName("first-contentful-paint")[0];
    if (found) resolve(found.startTime);
  }).observe({ type: "paint", buffered: true }))
"""


def run(world: World, rounds: int) -> None:
    title(f"First meaningful paint: the overview's sentence (median and worst of {rounds} rounds)")
    row("", "cold cache", "worst", "warm cache", "worst", "processor time")
    ours, theirs = Times(), Times()
    with peer.admin() as admin:
        for _ in range(rounds):
            with world.context(SHOWN) as context:
                _ours(context, ours)
            with world.context(address=admin.address) as context:
                _theirs(context, admin, theirs)
    ours.print("Slipway's overview")
    ours.print_steps()
    theirs.print(f"{peer.NAME} (first contentful paint)")
    cold, warm = ours.median_cold / theirs.median_cold, ours.median_warm / theirs.median_warm
    row("ratio", f"{cold:.2f}", "", f"{warm:.2f}")
    aim("under 1 s", ours.median_cold < AIM_MS)


class Times:
    def __init__(self) -> None:
        self.cold: list[float] = []
        self.warm: list[float] = []
        self.work: list[float] = []
        """Of the page's main thread, cold."""
        self.steps: list[dict[str, float]] = []
        """Milliseconds from the beginning, cold."""

    @property
    def median_cold(self) -> float:
        return quantile(self.cold, 0.5)

    @property
    def median_warm(self) -> float:
        return quantile(self.warm, 0.5)

    def print(self, name: str) -> None:
        work = ms(quantile(self.work, 0.5))
        row(
            name,
            ms(self.median_cold),
            ms(max(self.cold)),
            ms(self.median_warm),
            ms(max(self.warm)),
            work,
        )

    def print_steps(self) -> None:
        """What happened on the way, in the order of the medians."""
        medians = {name: quantile([steps[name] for steps in self.steps], 0.5) for name in self.steps[0]}
        for name, at in sorted(medians.items(), key=lambda step: step[1]):
            row(f"  {name}", ms(at))


def _ours(context: BrowserContext, times: Times) -> None:
    for into in (times.cold, times.warm):
        page = context.new_page()
        session = devtools(page)
        page.goto("/", wait_until="commit")
        into.append(float(page.evaluate("window.__painted")))
        if into is times.cold:
            times.work.append(metrics(session)["TaskDuration"] * 1000)
            times.steps.append(page.evaluate(STEPS))
        page.close()


def _theirs(context: BrowserContext, admin: peer.Admin, times: Times) -> None:
    context.add_cookies([admin.cookie])
    for into in (times.cold, times.warm):
        page = context.new_page()
        session = devtools(page)
        page.goto(admin.page, wait_until="commit")
        page.get_by_text(admin.awaited).first.wait_for()
        into.append(float(page.evaluate(FIRST_PAINT)))
        if into is times.cold:
            times.work.append(metrics(session)["TaskDuration"] * 1000)
        page.close()
