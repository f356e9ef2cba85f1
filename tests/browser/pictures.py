"""The screenshots in docs/, from a small seeded instance: ``python -m tests.browser.pictures`` (``make pictures``)."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from tests import images, registry
from tests.browser.conftest import BROWSER_ARGUMENTS, CHROMIUM
from tests.cluster.instance import ROOT, Instance, running
from tests.cluster.pods import container, limits, pod

TALK = 'i=0; while true; do i=$((i+1)); echo "$(date -u +%T) order $i accepted"; sleep 0.3; done'


def seed(instance: Instance, image: str) -> None:
    small = limits(cpu="100m", memory="64Mi")
    instance.create(pod("shop-web", container("web", image, resources=limits(cpu="250m", memory="256Mi"))))
    instance.create(pod("shop-orders", container("api", image, TALK, resources=small), container("cache", image)))
    instance.create(pod("nightly-report", container("report", image, "echo done"), restartPolicy="Never"))
    instance.create(pod("import", container("import", image, "exit 3", resources=small)))
    instance.create(pod("training", container("gpu", image), nodeSelector={"accelerator": "yes"}))


def main() -> None:
    with registry.start() as store, running(SLIPWAY_NODE_NAME="harbour-1") as instance, sync_playwright() as playwright:
        seed(instance, images.busybox().push(store, "busybox:latest"))
        instance.wait_running("shop-orders")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        page = browser.new_page(
            base_url=f"http://127.0.0.1:{instance.http_port}", viewport={"width": 1440, "height": 860}
        )
        page.goto("/")
        page.get_by_role("textbox", name="Password").fill(instance.password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("row").filter(has_text="import").filter(has_text="CrashLoopBackOff").wait_for()
        page.screenshot(path=str(ROOT / "docs" / "dashboard.png"))
        page.get_by_role("row").filter(has_text="shop-orders").click()
        page.get_by_text("order 12 accepted").wait_for()
        page.screenshot(path=str(ROOT / "docs" / "pod.png"))
        browser.close()


if __name__ == "__main__":
    main()
