"""Overview, nodes, the node map, metrics and events: what the cluster is like, and taking a node out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, limits, pod

APP = "berth"
DOCK = "node-3"
"""Where its pods are at first."""


@pytest.fixture(scope="module")
def app(instance: Lab, busybox: str) -> Iterator[str]:
    """A Deployment with scratch space, and a budget that lets none of its two pods go."""
    labels = {"app": APP}
    main = container("main", busybox, resources=limits(cpu="50m", memory="16Mi"))
    template = {
        "terminationGracePeriodSeconds": 0,
        "containers": [main],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    elsewhere = [node for node in instance.nodes if node != DOCK]
    assert instance.kubectl("cordon", *elsewhere).returncode == 0
    instance.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": APP},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": template},
            },
        }
    )
    instance.create(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": APP},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": labels}},
        }
    )
    path = f"/apis/apps/v1/namespaces/default/deployments/{APP}"
    wait_for(f"{APP} is ready", lambda: instance.api.get(path).json().get("status", {}).get("readyReplicas") == 2)
    assert instance.kubectl("uncordon", *elsewhere).returncode == 0
    yield path
    instance.api.delete(path)
    instance.api.delete(budget())


def budget() -> str:
    return f"/apis/policy/v1/namespaces/default/poddisruptionbudgets/{APP}"


def test_what_fails_stands_first_and_goes_when_it_is_mended(signed_in: Page, instance: Instance, busybox: str) -> None:
    signed_in.goto("/")
    expect(signed_in.get_by_role("status").first).to_be_visible()
    attention = signed_in.get_by_role("table", name="Needs attention").locator("tbody tr")
    expect(attention, "what other tests left").to_have_count(0)
    instance.create(pod("waits", container("main", busybox), nodeSelector={"nowhere": "yes"}))
    expect(attention.first).to_contain_text("waits")
    expect(attention.first).to_contain_text("Pending")
    instance.create(pod("broken", container("main", "127.0.0.1:1/not/there:1")))
    expect(attention.first).to_contain_text("broken")
    expect(attention.first).to_contain_text("ImagePull")
    expect(attention.nth(1)).to_contain_text("waits")
    expect(signed_in.get_by_role("status").first).to_contain_text("2 pods in trouble")
    instance.delete_pod("broken")
    expect(attention.first).to_contain_text("waits")
    attention.first.get_by_role("link").click()
    expect(signed_in.get_by_role("heading", name="waits")).to_be_visible()
    instance.delete_pod("waits")


def test_usage_is_drawn_for_rows_nodes_and_containers(signed_in: Page, instance: Instance, app: str) -> None:
    history = f"/apis/slipway.dev/v1/namespaces/default/metrics/deployments/{APP}"
    wait_for("a step of usage is over", lambda: instance.api.get(history).json()["times"])
    signed_in.goto("/pods")
    row = signed_in.get_by_role("row").filter(has_text=APP).first
    expect(row.locator(".sparkline path").first).to_be_attached()
    expect(row.locator(".usage-cell").nth(1)).to_contain_text("iB")
    signed_in.goto(f"/nodes/{instance.node}?tab=metrics&window=6h")
    expect(signed_in.get_by_role("radio", name="6 hours")).to_be_checked()
    expect(signed_in.get_by_role("figure", name="Memory")).to_contain_text("iB")
    expect(signed_in.get_by_role("figure", name="CPU").locator("canvas")).to_be_visible()
    signed_in.goto("/usage")
    expect(signed_in.get_by_role("figure", name="Network")).to_contain_text("/s")
    signed_in.goto(f"/deployments/default/{APP}?tab=metrics")
    expect(signed_in.get_by_role("figure", name="Memory by pod").locator(".legend li")).to_have_count(3)
    assert signed_in.troubles == []  # type: ignore[attr-defined]


def test_a_node_is_labelled_and_another_is_invited(signed_in: Page, instance: Instance) -> None:
    signed_in.goto(f"/nodes/{instance.node}")
    signed_in.get_by_role("button", name="More actions").click()
    signed_in.get_by_role("menuitem", name="Labels and taints").click()
    dialog = signed_in.get_by_role("dialog")
    labels = dialog.get_by_role("textbox", name="Labels")
    before = labels.input_value()
    taints = dialog.get_by_role("textbox", name="Taints")
    taints.fill("dry-dock=yes:Never")
    expect(dialog).to_contain_text("is no taint")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    taints.fill("dry-dock=yes:PreferNoSchedule")
    labels.fill(f"{before}\nberth/depth=bad value!")
    expect(dialog).to_contain_text("is no label")
    labels.fill(f"{before}\nberth/depth=-12-")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("labels")
    expect(labels).to_have_attribute("aria-invalid", "true")
    expect(labels).to_have_value(f"{before}\nberth/depth=-12-")
    labels.fill(f"{before}\nberth/depth=12m")
    dialog.get_by_role("button", name="Save").click()
    expect(signed_in.get_by_text("berth/depth=12m")).to_be_visible()
    expect(signed_in.get_by_title("dry-dock=yes:PreferNoSchedule")).to_be_visible()
    node = f"/api/v1/nodes/{instance.node}"
    undo = {"metadata": {"labels": {"berth/depth": None}}, "spec": {"taints": []}}
    instance.api.patch(node, json=undo, headers={"Content-Type": "application/merge-patch+json"}).raise_for_status()
    signed_in.goto("/nodes")
    signed_in.get_by_role("button", name="Add a node").click()
    signed_in.get_by_role("textbox", name="What for").fill("rack 4")
    signed_in.get_by_role("button", name="Make the command").click()
    expect(signed_in.get_by_test_id("join")).to_contain_text("nodeagent join https://")
    tokens = signed_in.get_by_role("region", name="Tokens that are valid")
    expect(tokens).to_contain_text("rack 4")
    tokens.get_by_role("button", name="Revoke").click()
    expect(tokens).to_have_count(0)


def test_events_are_filtered_by_link_and_by_hand(signed_in: Page, app: str) -> None:
    signed_in.goto(f"/events?kind=Deployment&q={APP}")
    entries = signed_in.locator(".timeline li")
    expect(entries.first).to_contain_text(f"Deployment {APP}")
    expect(signed_in.get_by_role("combobox", name="Kind")).to_have_value("Deployment")
    signed_in.get_by_text("Warnings", exact=True).click()
    expect(signed_in.get_by_text("Nothing matches these filters.")).to_be_visible()
    assert "type=Warning" in signed_in.url
    signed_in.get_by_role("button", name="Clear the filters").click()
    expect(signed_in.get_by_role("heading", name="In the last minutes")).to_be_visible()
    entries.filter(has_text=f"Deployment {APP}").first.get_by_role("link").click()
    expect(signed_in.get_by_role("heading", name=APP)).to_be_visible()


def test_a_node_is_drained_as_budgets_allow(
    signed_in: Page, instance: Instance, app: str, accessible: Callable[[Page], list[str]]
) -> None:
    on_node = {"fieldSelector": f"spec.nodeName={DOCK}"}

    def others() -> list[tuple[str, str]]:
        """Whom other tests left there: finished pods of builds, for one."""
        found = [each["metadata"] for each in instance.api.get("/api/v1/pods", params=on_node).json()["items"]]
        return [(each["namespace"], each["name"]) for each in found if not each["name"].startswith(f"{APP}-")]

    for namespace, name in others():
        instance.delete_pod(name, namespace=namespace)
    wait_for(f"only {APP} is on the node, not {others()}", lambda: not others())
    signed_in.goto(f"/nodes/{DOCK}")
    signed_in.get_by_role("button", name="Drain").click()
    dialog = signed_in.get_by_role("dialog")
    expect(dialog.get_by_role("alert")).to_contain_text("has scratch space (emptyDir)")
    expect(dialog.get_by_role("button", name="Drain")).to_be_disabled()
    dialog.get_by_role("checkbox", name="Evict pods with scratch space (emptyDir)").check()
    expect(dialog).to_contain_text("2 pods to evict")
    expect(dialog).to_contain_text(f"kubectl drain {DOCK} --ignore-daemonsets --delete-emptydir-data")
    dialog.get_by_role("button", name="Drain").click()
    drain = signed_in.get_by_test_id("drain")
    expect(drain).to_contain_text("Blocked")
    expect(drain).to_contain_text("disruption budget")
    expect(drain).to_contain_text("0 of 2")
    assert accessible(signed_in) == []
    # It goes on whichever page is shown.
    signed_in.get_by_role("link", name="Node map").click()
    here = signed_in.get_by_role("region", name=DOCK)
    expect(here).to_contain_text("SchedulingDisabled")
    instance.api.delete(budget()).raise_for_status()
    berths = signed_in.get_by_role("link", name=f"default/{APP}-").and_(signed_in.get_by_role("link", name="Running"))
    expect(berths).to_have_count(2)
    expect(here.get_by_role("link", name=f"default/{APP}-")).to_have_count(0)
    signed_in.get_by_role("link", name=DOCK).click()
    expect(drain).to_contain_text("Drained: 2 pods gone")
    expect(drain.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    signed_in.get_by_role("button", name="Uncordon").click()
    signed_in.get_by_role("dialog").get_by_role("button", name="Uncordon").click()
    expect(signed_in.get_by_role("button", name="Cordon", exact=True)).to_be_visible()
