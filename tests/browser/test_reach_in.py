"""Logs and terminals: what reaches into containers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance
from tests.cluster.pods import container, pod

TALK = (
    "i=0; while true; do i=$((i+1)); "
    r'printf "<img src=x onerror=alert(1)> \033[31mline-$i\033[0m end\n"; sleep 0.2; done'
)


@pytest.fixture(scope="module")
def talker(instance: Instance, busybox: str) -> Iterator[str]:
    instance.create(
        pod("talker", container("main", busybox, TALK), container("other", busybox, "echo quiet; sleep 3600"))
    )
    instance.wait_running("talker")
    yield "talker"
    instance.delete_pod("talker")


def test_a_log_follows_with_colours_and_markup_stays_text(signed_in: Page, talker: str) -> None:
    signed_in.goto(f"/pods/default/{talker}?tab=logs")
    log = signed_in.get_by_test_id("log")
    expect(log).to_contain_text("line-9 ")
    expect(log).to_contain_text("<img src=x onerror=alert(1)>")
    expect(log.locator("img")).to_have_count(0)
    expect(log.locator(".ansi-1").first).to_contain_text("line-")
    assert signed_in.troubles == []  # type: ignore[attr-defined]


def test_a_log_merges_containers_searches_and_filters(
    signed_in: Page, talker: str, accessible: Callable[[Page], list[str]]
) -> None:
    signed_in.goto(f"/pods/default/{talker}?tab=logs&since=all")
    log = signed_in.get_by_test_id("log")
    search = signed_in.get_by_role("textbox", name="Search")
    search.fill(r"line-2\b")
    signed_in.get_by_role("button", name="Regular expression").click()
    search.press("Enter")
    expect(log.locator("mark")).to_have_text("line-2")
    expect(signed_in.get_by_role("button", name="Follow")).to_be_visible()
    signed_in.get_by_role("button", name="Show only lines that match").click()
    expect(log.locator(".log-line")).to_have_count(1)
    search.fill("quiet")
    expect(log.locator(".log-prefix")).to_have_text("other")
    search.fill("(")
    expect(signed_in.get_by_text("Not a regular expression")).to_be_visible()
    assert accessible(signed_in) == []


def test_a_log_is_downloaded_as_it_is_shown(signed_in: Page, talker: str) -> None:
    signed_in.goto(f"/pods/default/{talker}?tab=logs&container=other")
    expect(signed_in.get_by_test_id("log")).to_contain_text("quiet")
    with signed_in.expect_download() as download:
        signed_in.get_by_role("button", name="Download").click()
    assert download.value.path().read_text().endswith("talker/other quiet\n")


def test_a_terminal_answers_and_a_second_one_stands_beside_it(
    signed_in: Page, talker: str, accessible: Callable[[Page], list[str]]
) -> None:
    signed_in.goto(f"/pods/default/{talker}?tab=terminal")
    signed_in.get_by_role("button", name="Connect").click()
    screen = signed_in.get_by_test_id("terminal")
    expect(screen).to_contain_text("#")
    signed_in.keyboard.type("echo $((6*7))-answers\n")
    expect(screen).to_contain_text("42-answers")
    signed_in.get_by_role("button", name="Connect").click()
    expect(signed_in.get_by_role("tab", name="main 2")).to_be_visible()
    second = signed_in.get_by_test_id("terminal").nth(1)
    expect(second).to_contain_text("#")
    signed_in.keyboard.type("exit 3\n")
    expect(signed_in.get_by_text("The session has ended (exit code 3)")).to_be_visible()
    signed_in.get_by_role("button", name="Connect again").click()
    expect(signed_in.get_by_text("The session has ended")).to_have_count(0)
    signed_in.get_by_role("tab", name="main 1").click()
    expect(screen.first).to_contain_text("42-answers")
    assert accessible(signed_in) == []
