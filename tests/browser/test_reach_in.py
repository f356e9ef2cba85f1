"""Logs and terminals: what reaches into containers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.cluster.instance import Instance, condition, wait_for
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


@pytest.fixture
def choir(instance: Instance, busybox: str) -> Iterator[str]:
    """Three replicas that say their names."""
    labels = {"app": "choir"}
    sing = "i=0; while true; do i=$((i+1)); echo $(hostname) sings $i; sleep 0.2; done"
    template = {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container("main", busybox, sing)]},
    }
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    instance.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "choir"}, "spec": spec})
    yield "choir"
    instance.api.delete("/apis/apps/v1/namespaces/default/deployments/choir")


def voices(instance: Instance) -> list[str]:
    """The replicas that are ready and not on their way out."""
    pods = instance.api.get("/api/v1/namespaces/default/pods", params={"labelSelector": "app=choir"}).json()["items"]
    staying = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return [pod["metadata"]["name"] for pod in staying if condition(pod, "Ready") == "True"]


def sung(log: Locator, name: str) -> int:
    """The number of the last verse of this one on screen."""
    lines = log.locator(".log-line").filter(has_text=f"{name} sings").all_inner_texts()
    return max((int(line.rsplit(" ", 1)[1]) for line in lines), default=0)


def test_a_log_follows_three_replicas_while_one_is_killed(signed_in: Page, instance: Instance, choir: str) -> None:
    signed_in.goto(f"/deployments/default/{choir}?tab=logs")
    log = signed_in.get_by_test_id("log")
    killed, *others = wait_for("three sing", lambda: found if len(found := voices(instance)) == 3 else None)
    for name in (killed, *others):
        expect(log.locator(".log-line").filter(has_text=f"{name} sings").first).to_be_visible()
    assert len({log.locator(".log-prefix", has_text=name[-5:]).last.get_attribute("class") for name in others}) == 2
    instance.delete_pod(killed)
    [new] = wait_for("another sings", lambda: found if (found := set(voices(instance)) - {killed, *others}) else None)
    expect(log.locator(".log-line").filter(has_text=f"{new} sings").first).to_be_visible()
    verses = {name: sung(log, name) for name in others}
    wait_for("the others go on", lambda: all(sung(log, name) > verse for name, verse in verses.items()))
    # What the killed one said stays.
    signed_in.get_by_role("textbox", name="Search").fill(f"{killed} sings")
    signed_in.get_by_role("button", name="Show only lines that match").click()
    expect(log.locator(".log-line").first).to_contain_text(f"{killed} sings")


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
    signed_in.keyboard.press("Shift+F6")
    expect(signed_in.get_by_role("tab", name="main 2")).to_be_focused()
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.press("Tab")
    signed_in.keyboard.type("exit 3\n")
    expect(signed_in.get_by_text("The session has ended (exit code 3)")).to_be_visible()
    signed_in.keyboard.press("Shift+F6")
    expect(signed_in.get_by_role("button", name="Connect again")).to_be_focused()
    signed_in.keyboard.press("Enter")
    expect(signed_in.get_by_text("The session has ended")).to_have_count(0)
    signed_in.get_by_role("tab", name="main 1").click()
    expect(screen.first).to_contain_text("42-answers")
    assert accessible(signed_in) == []


def columns(page: Page, asked: Iterator[int]) -> int:
    """As the shell sees them. Each answer has a number of its own: what an earlier one said may still be on the screen."""
    number = next(asked)
    screen = page.get_by_test_id("terminal")
    page.keyboard.type(f"clear; echo size-{number}=$(stty size | tr ' ' x)=\n")
    answer = re.compile(rf"size-{number}=\d+x(\d+)=")
    said = wait_for("the shell answers", lambda: answer.search(screen.inner_text()))
    return int(said[1])


def test_a_terminal_follows_the_size_of_its_window(signed_in: Page, talker: str) -> None:
    signed_in.goto(f"/pods/default/{talker}?tab=terminal")
    signed_in.get_by_role("button", name="Connect").click()
    expect(signed_in.get_by_test_id("terminal")).to_contain_text("#")
    asked = itertools.count(1)
    wide = columns(signed_in, asked)
    signed_in.set_viewport_size({"width": 800, "height": 900})
    signed_in.get_by_test_id("terminal").click()
    wait_for("the shell knows", lambda: columns(signed_in, asked) < wide)


def test_what_already_runs_is_attached_to(signed_in: Page, instance: Instance, busybox: str) -> None:
    echo = "while read line; do echo you said $line; done"
    instance.create(pod("parlour", container("main", busybox, echo, stdin=True, tty=True)))
    instance.wait_running("parlour")
    signed_in.goto("/pods/default/parlour?tab=terminal")
    signed_in.get_by_role("button", name="Attach").click()
    expect(signed_in.locator(".xterm-helper-textarea")).to_be_focused()
    signed_in.keyboard.type("ahoy\n")
    expect(signed_in.get_by_test_id("terminal")).to_contain_text("you said ahoy")
    instance.delete_pod("parlour")
    expect(
        signed_in.get_by_text("The session has ended").or_(signed_in.get_by_text("connection was lost"))
    ).to_be_visible()
