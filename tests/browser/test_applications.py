"""Whole applications on three nodes, as their visitors see them: by an Ingress, and by a port of any node."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import images
from tests.browser.chromium import Place
from tests.browser.conftest import DEADLINE_MS, VISITS
from tests.cluster.instance import ROOT, wait_for
from tests.cluster.lab import Lab
from tests.ports import free_port

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def hub(cluster: Lab, busybox: str, debian_images: dict[str, Future[images.Built]]) -> str:
    """The registry's host, when all that these applications are made of is there."""
    with cluster.registry() as started:
        for name, built in debian_images.items():
            built.result().push(started, f"{name}:1")
        return started.host


@pytest.fixture(scope="module")
def visits(cluster: Lab, hub: str) -> Iterator[str]:
    """The address of the node that answers for Ingresses."""
    label = "slipway.dev/ingress"
    assert cluster.kubectl("label", "node", "node-2", f"{label}=true").returncode == 0
    example = EXAMPLES / "visits" / "visits.yaml"
    apply(cluster, example, "localhost:5000/", f"{hub}/")
    for tier in ("redis", "php", "nginx"):
        rolled_out(cluster, f"visits-{tier}")
    wait_for("the Ingress serves", lambda: cluster.kubectl("get", "ingress", "visits").stdout.count(VISITS) or None)
    yield cluster.address("node-2")
    cluster.kubectl("delete", "-f", str(example), "--wait=false")
    cluster.kubectl("label", "node", "node-2", f"{label}-")


def apply(cluster: Lab, path: Path, image: str, ours: str) -> None:
    done = cluster.kubectl("apply", "-f", "-", stdin=path.read_text().replace(image, ours))
    assert done.returncode == 0, done.stderr


def rolled_out(cluster: Lab, deployment: str) -> None:
    done = cluster.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=170s")
    assert done.returncode == 0, done.stdout + done.stderr + cluster.kubectl("get", "pods", "-o", "wide").stdout


def nodes_of(cluster: Lab, selector: str) -> set[str]:
    told = cluster.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].spec.nodeName}")
    return set(told.stdout.split())


@pytest.fixture(scope="module")
def way(cluster: Lab, place: Place) -> None:
    """The Ingress's host leads to its node, as by DNS."""
    for port in (80, 443):
        place.lead(port, to=(cluster.address("node-2"), port))


@pytest.fixture
def context(way: None, browser: Browser) -> Iterator[BrowserContext]:
    """The Ingress's certificate is checked apart from it."""
    made = browser.new_context(ignore_https_errors=True, viewport={"width": 900, "height": 620})
    made.set_default_timeout(DEADLINE_MS)
    yield made
    made.close()


def lead(place: Place, cluster: Lab, node: str, port: int) -> str:
    """Where the browser finds this port of the node."""
    here = free_port()
    place.lead(here, to=(cluster.address(node), port))
    return f"http://127.0.0.1:{here}"


def test_visits_are_counted_across_nodes_by_way_of_the_ingress(
    cluster: Lab, visits: str, context: BrowserContext
) -> None:
    assert nodes_of(cluster, "app=visits,tier=php") == nodes_of(cluster, "app=visits,tier=nginx") == set(cluster.nodes)
    page = context.new_page()
    wait_for("the first page", lambda: answers(page, f"http://{VISITS}/"))
    assert page.url == f"https://{VISITS}/"  # redirected: the Ingress has a certificate
    before = count(page)
    makers = set()
    for visit in range(1, 25):
        page.reload()
        assert count(page) == before + visit
        makers.add(page.locator("#php").inner_text())
    assert len(makers) == 3
    assert page.locator("#client").inner_text() == cluster.gateway  # where the browser is
    page.get_by_label("Your name").fill("<b>Ada</b> & Bob")
    page.get_by_role("button", name="Sign").click()
    expect(page.get_by_role("listitem").first).to_have_text("<b>Ada</b> & Bob")


def answers(page: Page, url: str) -> bool:
    answer = page.goto(url)
    return answer is not None and answer.ok


def count(page: Page) -> int:
    return int(page.locator("#visits").inner_text())


def test_the_certificate_can_be_verified(cluster: Lab, visits: str) -> None:
    context = ssl.create_default_context(cafile=str(cluster.home / "pki" / "ca.crt"))
    with httpx.Client(verify=context, trust_env=False) as client:
        answer = client.get(f"https://{visits}/", headers={"Host": VISITS}, extensions={"sni_hostname": VISITS})
    assert answer.status_code == 200
    assert "You are visitor" in answer.text


def test_visits_are_counted_by_the_port_of_every_node(
    cluster: Lab, place: Place, visits: str, context: BrowserContext
) -> None:
    page = context.new_page()
    seen = []
    for node in cluster.nodes:
        assert answers(page, lead(place, cluster, node, 30091))
        seen.append(count(page))
    assert seen == list(range(seen[0], seen[0] + len(cluster.nodes)))


def test_the_guestbook_is_signed_and_read_in_a_browser(
    cluster: Lab, place: Place, busybox: str, context: BrowserContext
) -> None:
    apply(cluster, EXAMPLES / "guestbook.yaml", "busybox:1.36", busybox)
    for name in ("guestbook-store", "guestbook-web"):
        rolled_out(cluster, name)
    page = context.new_page()
    book = lead(place, cluster, "node-3", 30090) + "/cgi-bin/index.cgi"
    wait_for("the book", lambda: answers(page, book))
    sign = "text => fetch('/cgi-bin/sign', {method: 'POST', body: text + '\\n'}).then(answer => answer.text())"
    assert "Ada was here" in page.evaluate(sign, "Ada was here")
    page.goto(lead(place, cluster, "node-2", 30090) + "/cgi-bin/index.cgi")
    expect(page.locator("body")).to_contain_text("Ada was here")
