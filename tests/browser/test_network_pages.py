"""From outside to pods: the topology, live; what is published, and whether it answers; policies in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, Wire, wait_for
from tests.cluster.pods import container, limits

NAMESPACE = "jetty"
APP = "gate"
LABELS = {"app": APP}


def deployment(image: str) -> Wire:
    serve = container("web", image, "exec httpd -f -p 8080 -h /etc", resources=limits(cpu="20m", memory="16Mi"))
    serve["ports"] = [{"name": "http", "containerPort": 8080}]
    template = {"metadata": {"labels": LABELS}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [serve]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": APP},
        "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template},
    }


def service() -> Wire:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    spec = {"type": "NodePort", "selector": LABELS, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": APP}, "spec": spec}


def ingress() -> Wire:
    def path(where: str, name: str) -> Wire:
        backend = {"service": {"name": name, "port": {"number": 80}}}
        return {"path": where, "pathType": "Prefix", "backend": backend}

    http = {"paths": [path("/", APP), path("/old", "nobody")]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": APP},
        "spec": {"rules": [{"host": "gate.example.com", "http": http}]},
    }


def policy() -> Wire:
    sources = [{"podSelector": {"matchLabels": {"role": "front"}}}, {"ipBlock": {"cidr": "0.0.0.0/0"}}]
    spec = {"podSelector": {"matchLabels": LABELS}, "ingress": [{"from": sources, "ports": [{"port": 8080}]}]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "guard"},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def harbour(instance: Instance, busybox: str) -> Iterator[Instance]:
    instance.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for made in (deployment(busybox), service(), ingress(), policy()):
        instance.create(made, namespace=NAMESPACE)
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{APP}"
    wait_for(
        "the deployment is ready",
        lambda: instance.api.get(path).json().get("status", {}).get("readyReplicas") == 1,
    )
    yield instance
    instance.api.delete(f"/api/v1/namespaces/{NAMESPACE}")


def test_the_topology_leads_from_the_ingress_to_pods_and_follows_them(
    signed_in: Page, harbour: Instance, accessible: Callable[[Page], list[str]]
) -> None:
    page = signed_in
    page.goto(f"/topology?namespace={NAMESPACE}")
    picture = page.get_by_role("group", name="How traffic gets to pods")
    expect(picture.get_by_role("link", name="gate.example.com")).to_be_visible()
    expect(picture.locator("[data-column='1']").filter(has_text=APP)).to_contain_text("1 of 1 ready")
    expect(picture.locator("[data-column='1']").filter(has_text="nobody")).to_contain_text("missing")
    expect(picture.get_by_role("link", name="guard (incoming)")).to_be_visible()
    pods = picture.get_by_role("link", name=f"Pod {APP}-")
    expect(pods).to_have_count(1)
    scale(harbour, 2)
    expect(pods).to_have_count(2)
    expect(picture.locator("[data-column='1']").filter(has_text=APP)).to_contain_text("2 of 2 ready")
    assert accessible(page) == []

    # With the keyboard along the lines: ingress, service, workload, pods.
    picture.get_by_role("link", name="gate.example.com").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(pods.first).to_be_focused()

    page.get_by_text("Text", exact=True).click()
    expect(page.get_by_role("list", name="leads to").first).to_contain_text(APP)
    assert "view=text" in page.url

    page.set_viewport_size({"width": 360, "height": 780})
    page.get_by_text("Picture", exact=True).click()
    expect(pods.first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.troubles == []  # type: ignore[attr-defined]


def scale(instance: Instance, replicas: int) -> None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{APP}/scale"
    content = {"Content-Type": "application/merge-patch+json"}
    answer = instance.api.patch(path, json={"spec": {"replicas": replicas}}, headers=content)
    assert answer.status_code == 200, answer.text


def test_a_published_port_is_listed_and_really_answers(
    signed_in: Page, harbour: Instance, accessible: Callable[[Page], list[str]]
) -> None:
    page = signed_in
    page.goto(f"/ports?namespace={NAMESPACE}")
    table = page.get_by_role("table", name="Published ports")
    expect(table.get_by_role("row").filter(has_text="gate.example.com")).to_contain_text("HTTP")
    assert accessible(page) == []
    table.get_by_role("row").filter(has_text="port of every node").get_by_role("link", name="Does it answer?").click()
    exposed = page.get_by_role("table", name="Exposure")
    expect(exposed.get_by_role("row").filter(has_text="cluster address")).to_contain_text("answers")
    assert accessible(page) == []
    assert page.troubles == []  # type: ignore[attr-defined]


def test_a_policy_is_told_in_words(signed_in: Page, harbour: Instance) -> None:
    signed_in.goto(f"/networkpolicies/{NAMESPACE}/guard")
    incoming: Any = signed_in.get_by_role("region", name="Incoming")
    expect(incoming).to_contain_text("role=front · 0.0.0.0/0 — 8080/TCP")
    expect(signed_in.get_by_role("region", name="Outgoing")).to_contain_text("not limited")
    expect(signed_in.get_by_role("region", name="Pods it applies to")).to_contain_text(APP)
