"""Every page of the dashboard: its address, what is there once it is complete, what is done on it before the picture.

One table for the pictures (`pictures.py`) and for what holds for every page (`test_pages.py`). The objects are those of
shop.yaml. `{namespace}` and `{node}` stand in addresses and texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

Act = Callable[[Page], None]


@dataclass(frozen=True)
class Shot:
    name: str
    address: str
    awaited: str
    """A text that is there when the page is complete."""
    act: Act | None = None
    signed_in: bool = True
    anew: bool = False
    """Whether a phone needs other steps than a wide window."""


def _press(button: str) -> Act:
    def act(page: Page) -> None:
        page.get_by_role("button", name=button, exact=True).first.click()
        page.get_by_role("dialog").wait_for()

    return act


def _delete(page: Page) -> None:
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_text("What goes with it").wait_for()


def _palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search pages").fill("web")
    page.get_by_role("option").filter(has_text="Deployment").first.wait_for()


def _keys(page: Page) -> None:
    page.keyboard.press("Shift+?")
    page.get_by_role("dialog").wait_for()


def _menu(page: Page) -> None:
    """On a wide window it is always there."""
    burger = page.get_by_role("button", name="Menu")
    if burger.is_visible():
        burger.click()
    page.get_by_role("link", name="Node map").filter(visible=True).first.wait_for()


def _follow(link: re.Pattern[str], then: str) -> Act:
    """Objects whose names are made for them are found by their list."""

    def act(page: Page) -> None:
        page.get_by_role("link", name=link).filter(visible=True).first.click()
        page.get_by_text(then).filter(visible=True).first.wait_for()

    return act


def _terminal(page: Page) -> None:
    page.get_by_role("button", name="Connect").click()
    page.locator(".xterm-rows").filter(has_text=re.compile(r"[#$]")).wait_for()
    page.locator(".xterm-helper-textarea").focus()
    page.keyboard.type("cat /etc/motd; ls; uname -a; free -m\n")
    page.locator(".xterm-rows").filter(has_text="Mem").wait_for()


def _attach(page: Page) -> None:
    page.get_by_role("button", name="Attach").click()
    page.locator(".xterm-rows").wait_for()
    page.locator(".xterm-helper-textarea").focus()
    answer = page.locator(".xterm-rows").filter(has_text="toolbox")
    for _ in range(20):  # what is typed before the connection stands is lost
        page.keyboard.type("hostname\n")
        page.wait_for_timeout(500)
        if answer.count():
            return
    answer.wait_for()


def _write_yaml(page: Page) -> None:
    editor = page.locator(".cm-content").first
    editor.fill("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: greetings\ndata:\n  morning: good day\n")
    page.get_by_text("greetings").first.wait_for()


def _edit(page: Page) -> None:
    page.locator(".cm-content").first.wait_for()


def _expose(page: Page) -> None:
    page.get_by_role("table", name="Exposure").get_by_text("answers").first.wait_for()


def _secret(page: Page) -> None:
    page.get_by_role("button", name="Reveal the values").wait_for()


SHOP = "namespace={namespace}"
PAGES = (
    Shot("login", "/", "Sign in", signed_in=False),
    Shot("overview", "/", "Needs attention"),
    Shot("menu", "/", "Needs attention", _menu, anew=True),
    Shot("nodes", "/nodes", "{node}"),
    Shot("node", "/nodes/{node}", "Kernel"),
    Shot("node-pods", "/nodes/{node}?tab=pods", "Running"),
    Shot("node-metrics", "/nodes/{node}?tab=metrics", "Memory"),
    Shot("node-map", "/node-map", "{node}"),
    Shot("join", "/nodes", "{node}", _press("Add a node")),
    Shot("drain", "/nodes/{node}", "Kernel", _press("Drain")),
    Shot("metrics", "/usage", "Memory"),
    Shot("events", f"/events?{SHOP}", "Warnings"),
    Shot("namespaces", "/namespaces", "{namespace}"),
    Shot("namespace", "/namespaces/{namespace}", "Active"),
    Shot("deployments", f"/deployments?{SHOP}", "checkout"),
    Shot("deployment", "/deployments/{namespace}/web", "3 of 3"),
    Shot("deployment-pods", "/deployments/{namespace}/web?tab=pods", "Running"),
    Shot("deployment-metrics", "/deployments/{namespace}/orders?tab=metrics", "Memory"),
    Shot("rollout-stuck", "/deployments/{namespace}/checkout", "Why?"),
    Shot("revisions", "/deployments/{namespace}/web?tab=revisions", "Revision 1"),
    Shot("scale", "/deployments/{namespace}/web", "3 of 3", _press("Scale")),
    Shot("delete", "/deployments/{namespace}/web", "3 of 3", _delete),
    Shot("yaml", "/deployments/{namespace}/web?tab=yaml", "apiVersion"),
    Shot("edit", "/deployments/{namespace}/web?tab=yaml&edit=1", "Review the changes", _edit),
    Shot("statefulset", "/statefulsets/{namespace}/shop-db", "2 of 2"),
    Shot("daemonset", "/daemonsets/{namespace}/log-shipper", "log-shipper"),
    Shot("jobs", f"/jobs?{SHOP}", "import-catalogue"),
    Shot("cronjobs", f"/cronjobs?{SHOP}", "stock-report"),
    Shot("cronjob", "/cronjobs/{namespace}/stock-report", "* * * * *"),
    Shot("cronjob-runs", "/cronjobs/{namespace}/stock-report?tab=jobs", "stock-report-"),
    Shot("pods", f"/pods?{SHOP}", "CrashLoopBackOff"),
    Shot("pod", "/pods/{namespace}/shop-db-0", "database"),
    Shot("pod-metrics", "/pods/{namespace}/shop-db-0?tab=metrics", "Memory"),
    Shot("why", "/pods/{namespace}/training", "Why?"),
    Shot("crash", f"/pods?{SHOP}&q=mailer", "mailer-", _follow(re.compile("^mailer-"), "Why?")),
    Shot("logs", "/deployments/{namespace}/orders?tab=logs", " accepted"),
    Shot("terminal", "/pods/{namespace}/toolbox?tab=terminal", "Connect", _terminal),
    Shot("attach", "/pods/{namespace}/toolbox?tab=terminal", "Attach", _attach),
    Shot("autoscaler", "/horizontalpodautoscalers/{namespace}/web", "Deployment"),
    Shot("topology", f"/topology?{SHOP}", "shop.example.com"),
    Shot("topology-text", f"/topology?{SHOP}&view=text", "shop.example.com"),
    Shot("ports", f"/ports?{SHOP}", "shop.example.com"),
    Shot("services", f"/services?{SHOP}", "shop-db"),
    Shot("service", "/services/{namespace}/web", "NodePort"),
    Shot("exposure", "/services/{namespace}/web?tab=exposure", "{node}", _expose),
    Shot("ingress", "/ingresses/{namespace}/shop", "shop.example.com"),
    Shot("policy", "/networkpolicies/{namespace}/database-guard", "Incoming"),
    Shot("repositories", f"/repositories?{SHOP}", "base"),
    Shot("repository", f"/repositories?{SHOP}", "base", _follow(re.compile("^web$"), "1.5")),
    Shot("images", "/images", "web:1.5"),
    Shot("image", "/images", "web:1.5", _follow(re.compile("web:1.5$"), "Layers")),
    Shot("builds", f"/builds?{SHOP}", "search-1"),
    Shot("build", "/builds/{namespace}/web-1", "rendering page 6 of 6"),
    Shot("build-failed", "/builds/{namespace}/search-1", "catalogue-index"),
    Shot("build-form", "/build", "Dockerfile"),
    Shot("build-folder", "/build?from=folder", "folder"),
    Shot("configmap", "/configmaps/{namespace}/shop-settings", "listen 8080"),
    Shot("secret", "/secrets/{namespace}/shop-database", "Reveal the values", _secret),
    Shot("claims", f"/persistentvolumeclaims?{SHOP}", "data-shop-db-0"),
    Shot("claim", "/persistentvolumeclaims/{namespace}/data-shop-db-0", "Bound"),
    Shot("volumes", "/persistentvolumes", "Bound"),
    Shot("custom", f"/triggers.slipway.dev?{SHOP}", "web-redeploy"),
    Shot("custom-object", "/triggers.slipway.dev/{namespace}/web-redeploy", "web-redeploy"),
    Shot("create", "/create", "What will be made"),
    Shot("create-yaml", "/create?as=yaml", "Review", _write_yaml),
    Shot("palette", "/", "Needs attention", _palette),
    Shot("keys", "/", "Needs attention", _keys),
    Shot("empty", f"/limitranges?{SHOP}", "There is no"),
    Shot("no-match", f"/pods?{SHOP}&q=unicorn", "Nothing matches"),
    Shot("gone", "/pods/{namespace}/nobody", "There is no Pod"),
    Shot("not-found", "/unicorns", "serves no kind"),
)
