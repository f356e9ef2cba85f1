"""What comes from containers, images, annotations and other people is text: on no page does it become markup."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance
from tests.cluster.pods import container, pod

TAGS = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"
TRICKS = (
    r"\033]8;;javascript:window.hacked=1\033\\press me\033]8;;\033\\ "  # a link
    r"\033]0;hacked\007 "  # the window's title
    r"\033]52;c;aGFja2Vk\007 "  # the clipboard
    r"\033[31mred\033[0m \033[999;999H\033[2J after"
)
NAME = "trickster"
SHOWN = {
    f"/pods/default/{NAME}": TAGS,
    f"/pods/default/{NAME}?tab=yaml": TAGS,
    f"/pods/default/{NAME}?tab=events": TAGS,
    f"/pods/default/{NAME}?tab=logs": TAGS,
    f"/pods/default/{NAME}-ended": TAGS,
    f"/events?q={NAME}": TAGS,
    f"/configmaps/default/{NAME}": TAGS,
    "/": TAGS,
}
"""Where it is to be read, as it was written."""


@pytest.fixture(scope="module")
def trickster(instance: Instance, busybox: str) -> Iterator[str]:
    say = f"printf '%s\\n' '{TAGS}'; printf '{TRICKS}\\n'; sleep 3600"
    main = container("main", busybox, say, env=[{"name": "TAGS", "value": TAGS}])
    made = pod(NAME, main)
    made["metadata"]["annotations"] = {"example.com/note": TAGS}
    instance.create(made)
    last_words = container("main", busybox, f"printf '%s' '{TAGS}' > /dev/termination-log; exit 3")
    instance.create(pod(f"{NAME}-ended", last_words, restartPolicy="Never"))
    data = {"tags": TAGS, "page.html": f"<html>{TAGS}</html>"}
    instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data})
    running = instance.wait_running(NAME)
    instance.create(event(running["metadata"]["uid"]))
    ended = f"{NAME}-ended"
    instance.wait_pod(ended, "has failed", lambda pod: pod["status"].get("phase") == "Failed")
    yield f"/pods/default/{NAME}"
    for name in (NAME, ended):
        instance.delete_pod(name)
    instance.api.delete(f"/api/v1/namespaces/default/configmaps/{NAME}")


def event(uid: str) -> dict[str, object]:
    involved = {"apiVersion": "v1", "kind": "Pod", "name": NAME, "namespace": "default", "uid": uid}
    moment = "2026-01-01T00:00:00Z"
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{NAME}.1"},
        "involvedObject": involved,
        "reason": "Tricked",
        "message": TAGS,
        "type": "Warning",
        "source": {"component": "tests"},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def nothing_came_of_it(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.title() != "hacked"
    assert page.locator("img[src=x], body script, a[href^=javascript]").count() == 0
    assert page.troubles == []  # type: ignore[attr-defined]


def test_what_others_wrote_is_text_on_every_page(signed_in: Page, trickster: str) -> None:
    for address, text in SHOWN.items():
        signed_in.goto(address)
        read = signed_in.get_by_text(text).or_(signed_in.get_by_text(json.dumps(text)))
        expect(read.filter(visible=True).first, address).to_be_visible()
        nothing_came_of_it(signed_in)


def test_a_log_shows_colours_and_nothing_else_of_what_a_terminal_understands(signed_in: Page, trickster: str) -> None:
    signed_in.goto(f"{trickster}?tab=logs")
    log = signed_in.get_by_test_id("log")
    expect(log.locator(".ansi-1")).to_have_text("red")
    expect(log.locator(".log-line").last).to_contain_text("press me")
    expect(log.locator(".log-line").last).to_contain_text("after")
    expect(log.locator("a")).to_have_count(0)
    nothing_came_of_it(signed_in)


def test_a_terminal_draws_what_it_is_sent_and_does_nothing_with_it(signed_in: Page, trickster: str) -> None:
    signed_in.goto(f"{trickster}?tab=terminal")
    signed_in.get_by_role("textbox", name="Command").fill(f"printf '%s {TRICKS}\\n' '{TAGS}' ready")
    signed_in.get_by_role("button", name="Connect").click()
    expect(signed_in.get_by_test_id("terminal")).to_contain_text("after")
    expect(signed_in.get_by_text("The session has ended")).to_be_visible()
    nothing_came_of_it(signed_in)
