"""Signing in, at first and again: the address and what was typed stay."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import sign_in, window
from tests.cluster.instance import Instance


def test_a_wrong_password_is_said_beside_the_form(page: Page) -> None:
    page.goto("/")
    page.get_by_role("textbox", name="Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    expect(page.get_by_label("User name")).to_have_value("admin")


def test_the_page_needs_a_login_and_comes_back_to_its_address(page: Page, instance: Instance) -> None:
    address = "/namespaces?q=nobody&labels=app%3Dgone"
    page.goto(address)
    sign_in(page, instance)
    expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()
    assert page.url.endswith(address)
    page.get_by_role("button", name="Account: admin").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("textbox", name="Password")).to_be_visible()
    assert page.url.endswith(address)


def test_a_session_that_ends_is_asked_for_over_what_is_open(browser: Browser, instance: Instance, login: Any) -> None:
    with window(browser, instance, storage_state=login) as page:
        page.goto("/create?as=yaml")
        editor = page.get_by_role("textbox", name="YAML of objects")
        editor.focus()
        page.keyboard.insert_text("kind: ConfigMap\napiVersion: v1\nmetadata: {name: Not A Name}\n")
        page.evaluate("window.theSamePage = true")
        page.context.clear_cookies()
        page.get_by_role("button", name="Review").click()
        expect(page.get_by_text("Your session has ended")).to_be_visible()
        sign_in(page, instance)
        expect(page.get_by_text("Your session has ended")).to_have_count(0)
        expect(editor).to_contain_text("Not A Name")
        page.get_by_role("button", name="Review").click()
        expect(page.get_by_test_id("results")).to_contain_text("metadata.name")
        assert page.url.endswith("/create?as=yaml")
        assert page.evaluate("window.theSamePage") is True


def test_what_the_page_may_load_is_limited(page: Page) -> None:
    answer = page.goto("/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("wanted", ["*-*.js", "map-*.js"])
def test_files_that_could_not_be_loaded_are_asked_for_again(signed_in: Page, wanted: str) -> None:
    """A laptop that changes its network, a control plane that is just restarting: the page comes up all the same."""
    refused: set[str] = set()

    def refuse_once(route: Route) -> None:
        if route.request.url in refused:
            route.continue_()
        else:
            refused.add(route.request.url)
            route.abort("connectionreset")

    signed_in.route(f"**/assets/{wanted}", refuse_once)
    signed_in.goto("/node-map")
    expect(signed_in.get_by_role("heading", name="Node map")).to_be_visible()
    assert refused
