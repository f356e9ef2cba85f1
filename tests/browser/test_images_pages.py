"""Push an image and see its layers; build from the browser, by Dockerfile and by folder, and run what came of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, wait_for


@pytest.fixture(scope="module")
def hub(instance: Instance, busybox: str) -> str:
    """The cluster's registry, with an image that was pushed to it as people do."""
    address = f"localhost:{instance.environment['SLIPWAY_REGISTRY_PORT']}"
    auth = instance.home.parent / "auth.json"
    login = [
        "skopeo",
        "login",
        "--tls-verify=false",
        "--authfile",
        str(auth),
        "-u",
        "admin",
        "--password-stdin",
        address,
    ]
    subprocess.run(login, input=instance.password, text=True, check=True, capture_output=True)
    copy = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-authfile", str(auth)]
    for tag in ("1", "old"):
        subprocess.run(
            [*copy, f"docker://{busybox}", f"docker://{address}/default/tools:{tag}"], check=True, capture_output=True
        )
    return address


def test_a_pushed_image_is_listed_and_a_tag_deleted(
    signed_in: Page, hub: str, accessible: Callable[[Page], list[str]]
) -> None:
    page = signed_in
    page.goto("/repositories")
    expect(page.get_by_text(f"docker push {hub}/default/app:1")).to_be_visible()
    page.get_by_role("link", name="tools", exact=True).click()
    tags = page.get_by_role("table", name="Tags")
    expect(tags.get_by_role("row")).to_have_count(3)
    assert accessible(page) == []
    tags.get_by_role("button", name="Delete tag old").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(tags.get_by_role("row")).to_have_count(2)
    tags.get_by_role("link", name="1", exact=True).click()
    expect(page.get_by_role("region", name="Layers", exact=True).get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("region", name="Who has it")).to_contain_text("default/tools")
    assert accessible(page) == []


def test_a_dockerfile_is_built_and_its_image_run(
    signed_in: Page, instance: Instance, hub: str, accessible: Callable[[Page], list[str]]
) -> None:
    page = signed_in
    page.goto("/build")
    expect(page.get_by_role("combobox", name="Tag 1")).to_have_value(f"{hub}/default/app:1")
    assert accessible(page) == []
    dockerfile = page.get_by_role("textbox", name="Dockerfile")
    dockerfile.fill(f"FROM {hub}/default/tools:1\nRUNN echo wrong\n")
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.get_by_text("RUNN").last).to_be_visible()  # refused, with the line; what was typed stays
    dockerfile.fill(f'FROM {hub}/default/tools:1\nARG WHOM\nRUN echo "greeting for $WHOM"\nCMD ["sleep", "1000"]\n')
    page.get_by_role("button", name="Add: argument").click()
    page.get_by_role("textbox", name="Name of the ARG 1").fill("WHOM")
    page.get_by_role("textbox", name="Value 1").fill("Ada")
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page).to_have_url(re.compile("/builds/default/app-1"))
    expect(page.get_by_text("greeting for Ada", exact=True)).to_be_visible(timeout=240_000)
    page.get_by_role("button", name="Run it").click(timeout=240_000)
    steps = page.get_by_role("table", name="Steps")
    expect(steps.get_by_role("row").filter(has_text="RUN echo")).to_contain_text("Done")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Run it").click()
    expect(page).to_have_url(re.compile("/deployments/default/app"))
    expect(page.get_by_text("Running").first).to_be_visible()
    page.goto("/images")
    page.get_by_role("link", name=f"{hub}/default/app:1").click()
    expect(page.get_by_role("region", name="Who runs it").first).to_contain_text("default/app-")
    expect(page.get_by_role("region", name="Where it comes from")).to_contain_text("its first 1 layer")
    assert accessible(page) == []
    instance.api.delete("/apis/apps/v1/namespaces/default/deployments/app").raise_for_status()


def test_a_folder_is_sent_without_what_it_ignores(
    signed_in: Page, instance: Instance, hub: str, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text(f"FROM {hub}/default/tools:1\nCOPY . /site\nRUN find /site -type f | sort\n")
    (folder / "src" / ("page-" + "x" * 120)).write_text("a name that is longer than tar's own field")
    (folder / "secret").write_text("stays at home")
    (folder / ".dockerignore").write_text("sec*\n")
    page = signed_in
    page.goto("/build?from=folder")
    page.locator("input[type=file]").set_input_files(folder)
    expect(page.get_by_text("1 left out by .dockerignore")).to_be_visible()
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page).to_have_url(re.compile("/builds/default/site-1"))
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=240_000)
    log = wait_for(
        "the whole log",
        lambda: (
            text
            if "/site/Dockerfile"
            in (text := instance.api.get("/apis/slipway.dev/v1/namespaces/default/builds/site-1/log").text)
            else None
        ),
    )
    assert "/site/src/page-xxx" in log
    assert "/site/secret" not in log
    assert page.troubles == []  # type: ignore[attr-defined]
