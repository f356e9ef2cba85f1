"""Lists and pages of objects: filters, detail, why, scale, roll out and back, commands, the palette."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, wait_for
from tests.cluster.pods import container, limits

APP = "harbour"


def deployment(image: str, *, replicas: int) -> dict[str, Any]:
    labels = {"app": APP}
    main = container("main", image, resources=limits(cpu="20m", memory="16Mi"))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP, "labels": {**labels, "team": "quay"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [main]},
            },
        },
    }


@pytest.fixture(scope="module")
def app(instance: Instance, busybox: str) -> Iterator[str]:
    """A Deployment of two replicas that is rolled out."""
    instance.create(deployment(busybox, replicas=2))
    path = f"/apis/apps/v1/namespaces/default/deployments/{APP}"
    wait_for(f"{APP} is ready", lambda: _ready(instance.api.get(path).json()) == 2)
    yield path
    instance.api.delete(path)


def _ready(workload: dict[str, Any]) -> int:
    return int(workload.get("status", {}).get("readyReplicas", 0))


def test_a_list_is_filtered_by_text_labels_and_link(signed_in: Page, app: str) -> None:
    signed_in.goto("/deployments")
    row = signed_in.get_by_role("row").filter(has_text=APP)
    expect(row).to_contain_text("Running")
    signed_in.get_by_label("Filter by text").fill("nothing is called so")
    expect(signed_in.get_by_text("Nothing matches these filters.")).to_be_visible()
    signed_in.get_by_role("button", name="Clear the filters").click()
    signed_in.get_by_label("Labels: app=web").fill("team=quay,!old")
    expect(row).to_be_visible()
    assert "labels=team" in signed_in.url
    signed_in.get_by_label("Labels: app=web").fill("team=")
    expect(row).to_have_count(0)
    signed_in.get_by_label("Labels: app=web").fill("= wrong")
    expect(signed_in.get_by_text("A label filter looks like")).to_be_visible()


def test_every_kind_has_a_list_and_an_empty_one_helps(signed_in: Page, app: str) -> None:
    signed_in.goto("/pods")
    links = signed_in.get_by_role("navigation", name="Navigation").get_by_role("link")
    expect(links.nth(30)).to_be_visible()  # they come as the API tells its kinds
    for link in links.all():
        link.click()
        expect(signed_in.get_by_role("heading", level=1)).to_be_visible()
        expect(signed_in.get_by_label("Loading").filter(visible=True)).to_have_count(0)
        expect(signed_in.get_by_role("alert")).to_have_count(0)
    signed_in.goto("/cronjobs")
    expect(signed_in.get_by_text("There is no CronJob").first).to_be_visible()
    assert signed_in.troubles == []  # type: ignore[attr-defined]


def test_an_address_that_leads_nowhere_says_so(signed_in: Page) -> None:
    signed_in.goto("/unicorns")
    expect(signed_in.get_by_text("serves no kind “unicorns”").first).to_be_visible()


def test_a_deployment_is_scaled_and_its_pods_lead_back_to_it(signed_in: Page, instance: Instance, app: str) -> None:
    signed_in.goto(f"/deployments/default/{APP}")
    signed_in.get_by_role("button", name="Scale").click()
    dialog = signed_in.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Replicas").fill("3")
    expect(dialog).to_contain_text(f"kubectl scale deployments/{APP} -n default --replicas=3")
    dialog.get_by_role("button", name="Scale").click()
    expect(signed_in.get_by_test_id("rollout")).to_contain_text("3 of 3")
    assert instance.api.get(app).json()["spec"]["replicas"] == 3
    signed_in.get_by_role("tab", name="Pods").click()
    expect(signed_in.get_by_role("row").filter(has_text="Running")).to_have_count(3)
    signed_in.get_by_role("row").filter(has_text="Running").first.get_by_role("link").first.click()
    signed_in.get_by_role("link", name=f"Deployment {APP}").click()
    expect(signed_in.get_by_role("heading", name=APP)).to_be_visible()


def test_a_broken_rollout_says_why_and_is_rolled_back(signed_in: Page, instance: Instance, app: str) -> None:
    broken = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "127.0.0.1:1/not/there:1"}]
    before = instance.api.get(app).json()["spec"]["template"]
    instance.api.patch(app, json=broken, headers={"Content-Type": "application/json-patch+json"}).raise_for_status()
    signed_in.goto(f"/deployments/default/{APP}")
    expect(signed_in.get_by_test_id("why")).to_contain_text("127.0.0.1:1/not/there:1")
    signed_in.get_by_role("tab", name="Revisions").click()
    expect(signed_in.get_by_role("button", name="Revision 2 current")).to_be_visible()
    signed_in.get_by_role("button", name="Revision 1").click()
    expect(signed_in.locator(".diff .removed")).to_contain_text("not/there")
    signed_in.get_by_role("button", name="Roll back").click()
    signed_in.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(signed_in.get_by_role("button", name="Revision 3 current")).to_be_visible()
    assert instance.api.get(app).json()["spec"]["template"] == before


def test_a_refusal_stands_in_the_dialog_and_nothing_typed_is_lost(signed_in: Page, app: str) -> None:
    refusal = {
        "kind": "Status",
        "message": "quota is used up",
        "reason": "Forbidden",
        "details": {"causes": [{"field": "spec.replicas", "message": "too many"}]},
    }
    signed_in.route("**/scale", lambda route: route.fulfill(status=403, json=refusal))
    signed_in.goto(f"/deployments/default/{APP}")
    signed_in.get_by_role("button", name="Scale").click()
    dialog = signed_in.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Replicas").fill("77")
    dialog.get_by_role("button", name="Scale").click()
    expect(dialog.get_by_role("alert")).to_contain_text("quota is used up")
    expect(dialog.get_by_role("textbox", name="Replicas")).to_have_value("77")


def test_the_palette_finds_objects_and_pages(signed_in: Page, app: str) -> None:
    signed_in.goto("/pods")
    expect(signed_in.get_by_role("heading", name="Pods")).to_be_visible()
    signed_in.keyboard.press("Control+k")
    field = signed_in.get_by_role("combobox", name="Search pages")
    field.fill(f"{APP} deployment")
    expect(signed_in.get_by_role("option").first).to_contain_text("Deployment")
    field.press("Enter")
    expect(signed_in.get_by_role("heading", name=APP)).to_be_visible()
    signed_in.keyboard.press("Control+k")
    field.fill("pvc")
    expect(signed_in.get_by_role("option").first).to_contain_text("Persistent volume claims")
    field.press("Enter")
    expect(signed_in.get_by_role("heading", name="Persistent volume claims")).to_be_visible()


GAUGE = "/apis/instruments.example.com/v1/namespaces/default/gauges"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def test_a_kind_of_ones_own_is_found_listed_by_its_columns_and_edited(signed_in: Page, instance: Instance) -> None:
    level = {"type": "integer", "maximum": 9, "description": "How high it stands."}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"level": level}}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": [{"name": "Water-Level", "type": "integer", "jsonPath": ".spec.level"}],
    }
    group = "instruments.example.com"
    names = {"plural": "gauges", "kind": "Gauge"}
    signed_in.goto("/customresourcedefinitions")
    expect(signed_in.get_by_role("heading", name="Custom resource definitions")).to_be_visible()
    instance.create(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"gauges.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
    try:
        row = signed_in.get_by_role("row").filter(has_text=f"gauges.{group}")
        expect(row).to_contain_text("Established")
        row.get_by_role("link", name="Gauge", exact=True).click()
        assert signed_in.url.endswith(f"/gauges.{group}")
        made = {"apiVersion": f"{group}/v1", "kind": "Gauge", "metadata": {"name": "quay"}, "spec": {"level": 3}}
        assert instance.api.post(GAUGE, json=made).status_code == 201
        row = signed_in.get_by_role("row").filter(has_text="quay")
        expect(row).to_contain_text("3")
        expect(signed_in.get_by_role("columnheader", name="Water-Level")).to_be_visible()
        row.get_by_role("link", name="quay").click()
        signed_in.get_by_role("tab", name="YAML").click()
        expect(signed_in.get_by_text("level: 3")).to_be_visible()
    finally:
        instance.api.delete(f"{DEFINITIONS}/gauges.{group}")
    wait_for("its definition is gone", lambda: instance.api.get(GAUGE).status_code == 404, seconds=30)
