"""The screenshots in docs/pictures/, of a small seeded cluster: ``python -m tests.browser.pictures`` (``make pictures``).

A page is a line in `PAGES`. Each is taken in both themes, at 1440 and 390 px.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests import images, registry
from tests.browser.conftest import BROWSER_ARGUMENTS, CHROMIUM
from tests.cluster.instance import ROOT, Instance, running, wait_for
from tests.cluster.pods import container, limits, pod

TALK = 'i=0; while true; do i=$((i+1)); echo "$(date -u +%T) order $i accepted"; sleep 0.3; done'
PICTURES = ROOT / "docs" / "pictures"
WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")
COLOURS = 128
"""Of a picture: screens have few, and it is a third of the size."""


@dataclass(frozen=True)
class Shot:
    name: str
    address: str
    awaited: str
    """A text that is there when the page is complete."""


PAGES = (
    Shot("overview", "/", "Needs attention"),
    Shot("pods", "/pods", "CrashLoopBackOff"),
    Shot("deployments", "/deployments", "shop-web"),
    Shot("deployment", "/deployments/default/shop-web", "3 of 3"),
    Shot("revisions", "/deployments/default/shop-web?tab=revisions", "Revision 1"),
    Shot("why", "/pods/default/training", "Why?"),
    Shot("logs", "/pods/default/shop-orders?tab=logs", " accepted"),
    Shot("create", "/create", "What will be made"),
    Shot("create-yaml", "/create?as=yaml", "Review"),
    Shot("edit", "/deployments/default/shop-web?tab=yaml&edit=1", "Review the changes"),
    Shot("configmap", "/configmaps/default/shop-settings", "listen 8080"),
    Shot("secret", "/secrets/default/shop-database", "Reveal the values"),
    Shot("nodes", "/nodes", "harbour-1"),
    Shot("events", "/events", "FailedScheduling"),
)
README = {"dashboard.png": "pods-light-1440", "pod.png": "logs-light-1440"}
"""Those that the README shows, under names of their own."""


def seed(instance: Instance, image: str) -> None:
    small = limits(cpu="100m", memory="64Mi")
    instance.create(_config())
    instance.create(_secret())
    instance.create(_web(image))
    instance.create(pod("shop-orders", container("api", image, TALK, resources=small), container("cache", image)))
    instance.create(pod("nightly-report", container("report", image, "echo done"), restartPolicy="Never"))
    instance.create(pod("import", container("import", image, "exit 3", resources=small)))
    instance.create(pod("training", container("gpu", image), nodeSelector={"accelerator": "yes"}))
    instance.wait_running("shop-orders")
    path = "/apis/apps/v1/namespaces/default/deployments/shop-web"
    wait_for("the shop is open", lambda: instance.api.get(path).json()["status"].get("readyReplicas") == 3, seconds=90)


def _config() -> dict[str, Any]:
    data = {"currency": "EUR", "web.conf": "listen 8080;\nroot /srv/shop;\nkeepalive 30s;\n"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-settings"}, "data": data}


def _secret() -> dict[str, Any]:
    data = {"username": "shop", "password": "only for pictures"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-database"}, "stringData": data}


def _web(image: str) -> dict[str, Any]:
    labels = {"app": "shop-web", "tier": "front"}
    settings = {"name": "settings", "configMap": {"name": "shop-settings"}}
    main = container("web", image, resources=limits(cpu="100m", memory="64Mi"))
    mounted = {**main, "volumeMounts": [{"name": "settings", "mountPath": "/etc/shop"}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [mounted], "volumes": [settings]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "shop-web", "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def signed_in(browser: Browser, instance: Instance) -> Page:
    page = browser.new_page(base_url=f"http://127.0.0.1:{instance.http_port}")
    page.set_default_timeout(20_000)
    page.goto("/")
    page.get_by_role("textbox", name="Password").fill(instance.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Nodes").wait_for()
    return page


def take(page: Page, shot: Shot) -> None:
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(shot.address)
        page.get_by_text(shot.awaited).filter(visible=True).first.wait_for()
        for theme in THEMES:
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            save(page.screenshot(animations="disabled"), f"{shot.name}-{theme}-{width}")


def save(picture: bytes, name: str) -> None:
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLOURS)
    image.save(PICTURES / f"{name}.png", optimize=True)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with registry.start() as store, running(SLIPWAY_NODE_NAME="harbour-1") as instance, sync_playwright() as playwright:
        seed(instance, images.busybox().push(store, "busybox:latest"))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
        page = signed_in(browser, instance)
        for shot in PAGES:
            take(page, shot)
        browser.close()
    for name, source in README.items():
        (ROOT / "docs" / name).write_bytes((PICTURES / f"{source}.png").read_bytes())


if __name__ == "__main__":
    main()
