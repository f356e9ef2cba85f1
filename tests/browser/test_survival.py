"""Whatever happens to the control plane, an open page goes on: nothing is loaded anew, nothing typed is lost."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_reach_in import TALK
from tests.cluster.instance import Instance, wait_for
from tests.cluster.pods import container, pod

LOST = "Connection to the control plane lost"


@pytest.fixture(scope="module")
def talker(instance: Instance, busybox: str) -> Iterator[str]:
    instance.create(pod("parrot", container("main", busybox, TALK)))
    instance.wait_running("parrot")
    yield "/pods/default/parrot"
    instance.delete_pod("parrot")


def beside(page: Page, address: str) -> Page:
    """Another page in the same browser."""
    opened = page.context.new_page()
    opened.goto(address)
    opened.evaluate("window.theSamePage = true")
    return opened


def last_number(log: Locator) -> int:
    """0 while none is on the screen: a line may also tell that the log was broken off."""
    return max((int(number) for number in re.findall(r"line-(\d+)", log.inner_text())), default=0)


def goes_on(log: Locator) -> None:
    """Lines come that were written after this moment; which of them are on the screen, only the scrolling knows."""
    seen = last_number(log)
    wait_for("later lines in the log", lambda: last_number(log) >= seen + 10)


def test_a_killed_web_process_is_hardly_noticed(signed_in: Page, instance: Instance, talker: str, busybox: str) -> None:
    terminal = beside(signed_in, f"{talker}?tab=terminal")
    terminal.get_by_role("button", name="Connect").click()
    expect(terminal.get_by_test_id("terminal")).to_contain_text("#")
    pods = beside(signed_in, "/pods")
    expect(pods.get_by_role("row").filter(has_text="parrot")).to_contain_text("Running")
    os.kill(instance.pid_of("web"), signal.SIGKILL)
    expect(terminal.get_by_text("The connection was lost.")).to_be_visible()
    terminal.get_by_role("button", name="Connect again").click()
    expect(terminal.get_by_text("The connection was lost.")).to_have_count(0)
    expect(terminal.get_by_test_id("terminal")).to_contain_text(re.compile("#.*BusyBox.*#", re.DOTALL))
    terminal.keyboard.type("echo $((6*7))-again\n")
    expect(terminal.get_by_test_id("terminal")).to_contain_text("42-again")
    instance.create(pod("afterwards", container("main", busybox)))
    expect(pods.get_by_role("row").filter(has_text="afterwards")).to_contain_text("Running")
    expect(pods.get_by_text(LOST)).to_have_count(0)
    assert terminal.evaluate("window.theSamePage") is pods.evaluate("window.theSamePage") is True
    instance.delete_pod("afterwards")


def test_pages_outlive_a_restart_of_the_control_plane(
    signed_in: Page, instance: Instance, talker: str, busybox: str
) -> None:
    nodes = beside(signed_in, "/node-map")
    expect(nodes.get_by_role("region", name=instance.node)).to_be_visible()
    logs = beside(signed_in, f"{talker}?tab=logs")
    log = logs.get_by_test_id("log")
    expect(log).to_contain_text("line-")
    form = beside(signed_in, "/create")
    form.get_by_role("textbox", name="Name", exact=True).fill("returned")
    form.get_by_role("combobox", name="Image").fill(busybox)
    form.get_by_role("textbox", name="Command").fill("sh -c 'trap exit TERM; sleep 3600 & wait'")
    pages: Any = (nodes, logs, form)
    instance.stop()
    for page in pages:
        expect(page.get_by_text(LOST)).to_be_visible()
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.get_by_role("alert").first).to_be_visible()  # said, and nothing is lost
    instance.up()
    for page in pages:
        expect(page.get_by_text(LOST)).to_have_count(0)
    expect(form.get_by_role("combobox", name="Image")).to_have_value(busybox)
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.get_by_role("heading", name="returned")).to_be_visible()
    expect(nodes.get_by_role("link", name="default/returned-").filter(visible=True)).to_have_count(1)
    goes_on(log)
    assert all(page.evaluate("window.theSamePage") for page in pages)
    instance.api.delete("/apis/apps/v1/namespaces/default/deployments/returned")
    expect(nodes.get_by_role("link", name="default/returned-")).to_have_count(0)
