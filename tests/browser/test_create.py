"""Making, changing and deleting things from the browser, and what happens when the server refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.cluster.instance import Instance, wait_for

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def tidy(instance: Instance) -> Iterator[Callable[[str], None]]:
    """Paths to delete when the test is over."""
    paths: list[str] = []
    yield paths.append
    for path in paths:
        instance.api.delete(path)


def write(page: Page, editor: Locator, text: str) -> None:
    """As pasted: nothing is indented or completed on the way."""
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def fill_form(page: Page, name: str, image: str) -> None:
    page.goto("/create")
    page.get_by_role("textbox", name="Name", exact=True).fill(name)
    page.get_by_role("combobox", name="Image").fill(image)
    page.get_by_role("textbox", name="Command").fill("sh -c 'trap exit TERM; sleep 3600 & wait'")


def test_rubbish_stands_beside_its_field_and_what_was_typed_stays(
    signed_in: Page, instance: Instance, busybox: str, tidy: Callable[[str], None], accessible: Any
) -> None:
    tidy(f"{DEPLOYMENTS}/lighter")
    fill_form(signed_in, "lighter", busybox)
    memory = signed_in.get_by_role("textbox", name="Memory at most")
    memory.fill("lots")
    signed_in.get_by_role("button", name="Add: port").click()
    signed_in.get_by_label("Port 1", exact=True).fill("70000")
    signed_in.get_by_role("button", name="Run", exact=True).click()
    expect(memory).to_have_attribute("aria-invalid", "true")
    expect(signed_in.get_by_role("alert")).to_contain_text("nothing was made")
    expect(signed_in.get_by_text("must be between 1 and 65535").first).to_be_visible()
    assert accessible(signed_in) == []
    signed_in.reload()
    expect(memory).to_have_value("lots")
    expect(signed_in.get_by_role("combobox", name="Image")).to_have_value(busybox)
    signed_in.context.clear_cookies()
    # Something else may have found out before: then the login already lies over the button.
    signed_in.get_by_role("button", name="Run", exact=True).dispatch_event("click")
    signed_in.get_by_role("textbox", name="Password").fill(instance.password)
    signed_in.get_by_role("button", name="Sign in").click()
    expect(signed_in.get_by_text("Your session has ended")).to_have_count(0)
    expect(memory).to_have_value("lots")
    assert instance.api.get(f"{DEPLOYMENTS}/lighter").status_code == httpx.codes.NOT_FOUND


def test_an_image_is_run_edited_broken_and_rolled_back(
    signed_in: Page, instance: Instance, busybox: str, tidy: Callable[[str], None]
) -> None:
    tidy(f"{DEPLOYMENTS}/tender")
    fill_form(signed_in, "tender", busybox)
    expect(signed_in.get_by_role("textbox", name="What will be made")).to_contain_text("name: tender")
    signed_in.get_by_role("button", name="Run", exact=True).click()
    expect(signed_in.get_by_role("heading", name="tender")).to_be_visible()
    expect(signed_in.get_by_test_id("rollout")).to_contain_text("1 of 1")
    expect(signed_in.get_by_text("Running", exact=True).first).to_be_visible()

    editor = edit(signed_in, "Deployment tender")
    editor.get_by_text(busybox).dblclick()
    signed_in.keyboard.press("End")
    signed_in.keyboard.press("Shift+Home")
    signed_in.keyboard.insert_text("image: 127.0.0.1:1/not/there:1")
    signed_in.get_by_role("button", name="Review the changes").click()
    expect(signed_in.locator(".diff .removed")).to_contain_text(busybox)
    expect(signed_in.locator(".diff .added")).to_contain_text("not/there")
    assert image_of(instance, "tender") == busybox
    signed_in.get_by_role("button", name="Save").click()
    expect(signed_in.get_by_role("button", name="Edit")).to_be_visible()

    signed_in.get_by_role("tab", name="Summary").click()
    expect(signed_in.get_by_test_id("why")).to_contain_text("127.0.0.1:1/not/there:1")
    signed_in.get_by_role("tab", name="Revisions").click()
    signed_in.get_by_role("button", name="Revision 1").click()
    signed_in.get_by_role("button", name="Roll back").click()
    signed_in.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    wait_for("the image is back", lambda: image_of(instance, "tender") == busybox)
    signed_in.get_by_role("tab", name="Summary").click()
    expect(signed_in.get_by_text("Running", exact=True).first).to_be_visible()


def edit(page: Page, what: str) -> Locator:
    page.get_by_role("tab", name="YAML").click()
    page.get_by_role("button", name="Edit").click()
    return page.get_by_role("textbox", name=f"YAML of {what}")


def image_of(instance: Instance, name: str) -> str:
    template = instance.api.get(f"{DEPLOYMENTS}/{name}").json()["spec"]["template"]
    return str(template["spec"]["containers"][0]["image"])


def test_two_who_edit_the_same_are_put_together(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    tidy(f"{CONFIG_MAPS}/berths")
    metadata = {"name": "berths"}
    instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1", "b": "1"}})
    signed_in.goto("/configmaps/default/berths")
    editor = edit(signed_in, "ConfigMap berths")
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: berths\n  namespace: default\n"
    write(signed_in, editor, f'{head}data:\n  a: "2"\n  b: "1"\n')
    merge = {"content-type": "application/merge-patch+json"}
    instance.api.patch(f"{CONFIG_MAPS}/berths", json={"data": {"b": "3"}}, headers=merge).raise_for_status()
    signed_in.get_by_role("button", name="Save").click()
    alert = signed_in.get_by_role("alert")
    expect(alert).to_contain_text("Somebody else has changed it")
    expect(alert.locator(".diff .added")).to_contain_text('b: "3"')
    assert accessible(signed_in) == []
    alert.get_by_role("button", name="Put both together").click()
    signed_in.get_by_role("button", name="Save").click()
    expect(signed_in.get_by_role("button", name="Edit")).to_be_visible()
    assert instance.api.get(f"{CONFIG_MAPS}/berths").json()["data"] == {"a": "2", "b": "3"}


def test_pasted_documents_are_applied_in_order(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    tidy("/api/v1/namespaces/quay")
    settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: quay}\n"
    signed_in.goto("/create?as=yaml")
    editor = signed_in.get_by_role("textbox", name="YAML of objects")
    write(
        signed_in,
        editor,
        f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: quay}}\n---\n{settings}data: {{colour: blue}}\n"
        f"---\n{settings.replace('settings', 'Not A Name')}",
    )
    results = signed_in.get_by_test_id("results")
    signed_in.get_by_role("button", name="Review").click()
    expect(results).to_contain_text("would be created")
    signed_in.get_by_role("button", name="Apply").click()
    rows = results.get_by_role("listitem")
    expect(rows.nth(1)).to_contain_text("created")
    expect(rows.nth(2)).to_contain_text("refused")
    expect(rows.nth(2)).to_contain_text("metadata.name")
    expect(signed_in.locator(".cm-lint-marker-error")).to_have_count(1)
    assert accessible(signed_in) == []
    write(signed_in, editor, f"{settings}data: {{colour: red}}\n")
    signed_in.get_by_role("button", name="Apply").click()
    expect(results.locator(".diff .added")).to_contain_text("colour: red")
    assert instance.api.get("/api/v1/namespaces/quay/configmaps/settings").json()["data"] == {"colour": "red"}


def test_the_editor_knows_the_fields(signed_in: Page) -> None:
    signed_in.goto("/create?as=yaml")
    signed_in.get_by_role("textbox", name="YAML of objects").focus()
    signed_in.keyboard.type("apiVersion: apps/v1\nkind: Deployment\nspec:\n  strat")
    signed_in.get_by_role("option", name="strategy").click()
    expect(signed_in.get_by_role("textbox", name="YAML of objects")).to_contain_text("strategy:")


def test_a_secret_is_shown_only_when_asked_for(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    tidy("/api/v1/namespaces/default/secrets/door")
    instance.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "door"}, "stringData": {"code": "correct horse"}}
    )
    frames: list[str] = []
    signed_in.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    signed_in.goto("/secrets/default/door")
    expect(signed_in.get_by_role("region", name="code", exact=True).first).to_be_visible()
    assert any('"door"' in frame for frame in frames)
    assert not any("Y29ycmVjdCBob3JzZQ" in frame for frame in frames)
    assert accessible(signed_in) == []
    signed_in.get_by_role("button", name="Reveal the values").click()
    expect(signed_in.get_by_text("correct horse")).to_be_visible()
    signed_in.get_by_role("button", name="Edit code").click()
    signed_in.get_by_role("textbox", name="Value").fill("open sesame")
    signed_in.get_by_role("button", name="Save").click()
    expect(signed_in.get_by_role("dialog")).to_have_count(0)
    expect(signed_in.get_by_text("correct horse")).to_have_count(0)
    signed_in.get_by_role("tab", name="Events").click()
    expect(signed_in.get_by_text("SecretRevealed")).to_be_visible()
    expect(signed_in.get_by_text("shown to admin")).to_be_visible()


def test_what_goes_with_it_is_listed_before_it_is_deleted(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    for name in ("owner", "owned"):
        tidy(f"{CONFIG_MAPS}/{name}")
    owner = instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    metadata = {"name": "owned", "ownerReferences": [reference]}
    instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    signed_in.goto("/configmaps/default/owner")
    signed_in.get_by_role("button", name="More actions").click()
    signed_in.get_by_role("menuitem", name="Delete").click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_contain_text("ConfigMap owned")
    dialog.get_by_role("combobox", name="What it owns").click()
    signed_in.get_by_role("option", name="Kept").click()
    expect(dialog).to_contain_text("--cascade=orphan")
    assert accessible(signed_in) == []
    dialog.get_by_role("button", name="Delete").click()
    gone = httpx.codes.NOT_FOUND
    wait_for("the owner is gone", lambda: instance.api.get(f"{CONFIG_MAPS}/owner").status_code == gone)
    kept = instance.api.get(f"{CONFIG_MAPS}/owned").json()["metadata"]
    assert "ownerReferences" not in kept


def test_one_form_makes_a_published_workload(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    made = (
        "/apis/apps/v1/namespaces/default/statefulsets/dock",
        "/api/v1/namespaces/default/services/dock",
        "/apis/networking.k8s.io/v1/namespaces/default/ingresses/dock",
    )
    for path in made:
        tidy(path)
    signed_in.goto("/create?kind=statefulsets")
    signed_in.get_by_role("textbox", name="Name", exact=True).fill("dock")
    signed_in.get_by_role("combobox", name="Image").fill("registry.invalid/dock:1")
    signed_in.get_by_role("textbox", name="Replicas").fill("0")
    signed_in.get_by_role("button", name="Add: port").click()
    signed_in.get_by_label("Port 1", exact=True).fill("8080")
    signed_in.get_by_role("textbox", name="Name outside (Ingress)").fill("Not_A_Host")
    signed_in.get_by_role("button", name="Add: check").click()
    signed_in.get_by_role("button", name="Add: volume").click()
    signed_in.get_by_role("textbox", name="Mounted at 1").fill("/data")
    signed_in.get_by_role("combobox", name="From 1").click()
    signed_in.get_by_role("option", name="Volume claim").click()
    signed_in.get_by_role("combobox", name="Called 1").fill("data")
    size = signed_in.get_by_role("textbox", name="Size, to make it 1")
    size.fill("much")
    signed_in.get_by_role("button", name="Run", exact=True).click()
    host = signed_in.get_by_role("textbox", name="Name outside (Ingress)")
    expect(size).to_have_attribute("aria-invalid", "true")  # all that is wrong, of all objects, at once
    expect(host).to_have_attribute("aria-invalid", "true")
    assert accessible(signed_in) == []
    assert [instance.api.get(path).status_code for path in made] == [httpx.codes.NOT_FOUND] * 3
    size.fill("1Mi")
    host.fill("dock.example.com")
    signed_in.get_by_role("button", name="Run", exact=True).click()
    expect(signed_in.get_by_role("heading", name="dock")).to_be_visible()
    expect(signed_in.get_by_role("region", name="Related").get_by_role("link", name="dock")).to_have_count(2)
    spec = instance.api.get(made[0]).json()["spec"]
    assert spec["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"] == {
        "path": "/",
        "port": 8080,
        "scheme": "HTTP",
    }
    assert spec["volumeClaimTemplates"][0]["metadata"]["name"] == "data"


def test_a_list_leads_to_a_form_and_deletes_many(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None], accessible: Any
) -> None:
    for plank in ("plank-1", "plank-2", "plank-3"):
        tidy(f"{CONFIG_MAPS}/{plank}")
    for plank in ("plank-1", "plank-2"):
        instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": plank}})
    signed_in.goto("/configmaps")
    signed_in.get_by_role("link", name="Create ConfigMap").click()
    key, name = (
        signed_in.get_by_role("textbox", name="Key 1"),
        signed_in.get_by_role("textbox", name="Name", exact=True),
    )
    key.fill("no key")
    signed_in.get_by_role("textbox", name="Value 1").fill("oak")
    name.fill("plank-3")
    signed_in.get_by_role("button", name="Create ConfigMap").click()
    expect(key).to_have_attribute("aria-invalid", "true")
    key.fill("wood")
    assert accessible(signed_in) == []
    signed_in.get_by_role("button", name="Create ConfigMap").click()
    expect(signed_in.get_by_role("heading", name="plank-3")).to_be_visible()
    assert instance.api.get(f"{CONFIG_MAPS}/plank-3").json()["data"] == {"wood": "oak"}

    signed_in.goto("/configmaps?q=plank&sort=-name&columns=name,labels,age")
    names = signed_in.get_by_role("link", name="plank-")
    expect(names).to_have_text(["plank-3", "plank-2", "plank-1"])
    expect(signed_in.get_by_role("columnheader", name="Labels")).to_be_visible()
    signed_in.get_by_role("checkbox", name="Select plank-1").check()
    signed_in.get_by_role("checkbox", name="Select plank-3").click(modifiers=["Shift"])
    bar = signed_in.get_by_role("group", name="What to do with the selected")
    expect(bar).to_contain_text("3 selected")
    assert accessible(signed_in) == []
    bar.get_by_role("button", name="Delete").click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog).to_contain_text("kubectl delete configmaps/plank-2 -n default")
    instance.api.delete(f"{CONFIG_MAPS}/plank-2")  # gone meanwhile: no reason to complain
    dialog.get_by_role("button", name="Delete").click()
    expect(names).to_have_count(0)
    expect(dialog).to_have_count(0)


def test_what_a_changed_setting_rolls_out_is_said_before(
    signed_in: Page, instance: Instance, tidy: Callable[[str], None]
) -> None:
    tidy(f"{CONFIG_MAPS}/tide")
    tidy(f"{DEPLOYMENTS}/gauge")
    instance.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tide"}, "data": {"level": "high"}})
    container = {"name": "main", "image": "registry.invalid/gauge:1", "envFrom": [{"configMapRef": {"name": "tide"}}]}
    labels = {"app": "gauge"}
    instance.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "gauge", "annotations": {"slipway.dev/rollout-on-config-change": "true"}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
    )
    signed_in.goto("/configmaps/default/tide")
    signed_in.get_by_role("button", name="Edit level").click()
    expect(signed_in.get_by_role("dialog").get_by_test_id("rolled")).to_contain_text("Deployment gauge")
