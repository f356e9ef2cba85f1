"""Sign in, see nodes and pods live, and keep seeing them whatever happens to the control plane."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, wait_for
from tests.cluster.pods import container, limits, pod

PICTURES = os.environ.get("SLIPWAY_SCREENSHOTS")
"""A directory to leave screenshots in, e.g. for docs/."""


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


def test_a_wrong_password_is_said_beside_the_form(page: Page) -> None:
    page.goto("/")
    page.get_by_role("textbox", name="Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    expect(page.get_by_label("User name")).to_have_value("admin")


def test_the_page_needs_a_login_and_comes_back_to_its_address(page: Page, instance: Instance) -> None:
    page.goto("/pods/default/nobody")
    page.get_by_role("textbox", name="Password").fill(instance.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("There is no Pod “nobody” any more.")).to_be_visible()
    assert page.url.endswith("/pods/default/nobody")


def test_a_pod_appears_and_goes_without_reload(signed_in: Page, instance: Instance, busybox: str) -> None:
    expect(signed_in.get_by_text(instance.node).first).to_be_visible()
    signed_in.get_by_role("link", name="Pods", exact=True).click()
    instance.create(pod("live", container("main", busybox, resources=limits(cpu="100m", memory="16Mi"))))
    row = signed_in.get_by_role("row").filter(has_text="live")
    expect(row).to_contain_text("Running")
    picture(signed_in, "dashboard")
    instance.delete_pod("live")
    expect(row).to_have_count(0)
    assert signed_in.troubles == []  # type: ignore[attr-defined]


def test_a_pod_that_cannot_run_says_why(signed_in: Page, instance: Instance) -> None:
    instance.create(pod("stuck", container("main", "127.0.0.1:1/nothing:here")))
    row = signed_in.get_by_role("row").filter(has_text="stuck")
    expect(row).to_contain_text("ImagePull")
    expect(signed_in.get_by_role("status").first).to_contain_text("1 pod in trouble")
    instance.delete_pod("stuck")


def test_the_page_survives_a_restart_of_the_web_process(signed_in: Page, instance: Instance, busybox: str) -> None:
    signed_in.get_by_role("link", name="Pods", exact=True).click()
    web = instance.pid_of("web")
    os.kill(web, signal.SIGKILL)
    wait_for("the API answers again", lambda: _answers(instance))
    instance.create(pod("afterwards", container("main", busybox)))
    expect(signed_in.get_by_role("row").filter(has_text="afterwards")).to_contain_text("Running")
    expect(signed_in.get_by_text("Connection to the control plane lost")).to_have_count(0)
    instance.delete_pod("afterwards")


def _answers(instance: Instance) -> bool:
    import httpx

    try:
        return instance.api.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window(signed_in: Page, width: int, scheme: str) -> None:
    signed_in.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    signed_in.set_viewport_size({"width": width, "height": 800})
    overflow = signed_in.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    picture(signed_in, f"overview-{scheme}-{width}")


def test_what_the_page_may_load_is_limited(page: Page) -> None:
    answer = page.goto("/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
