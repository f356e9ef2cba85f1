"""“Show me the command”: what is shown is run, in a shell, and does what the page does."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.instance import Instance, wait_for
from tests.cluster.pods import container

APP = "ferry"
DEADLINE_SECONDS = 120
DEPLOYMENT = f"/apis/apps/v1/namespaces/default/deployments/{APP}"
VIEWS = (
    "/",
    "/nodes",
    "/node-map",
    "/usage",
    "/events?namespace=default",
    "/topology?namespace=default",
    "/ports",
    "/services",
    "/pods?labels=app%3Dferry",
    f"/deployments/default/{APP}",
    f"/deployments/default/{APP}?tab=logs",
    f"/deployments/default/{APP}?tab=metrics",
    "/pods/default/{pod}?tab=logs",
    "/pods/default/{pod}?tab=terminal",
    "/services/default/kubernetes?tab=exposure",
)


@pytest.fixture(scope="module")
def ferry(instance: Instance, busybox: str) -> Iterator[str]:
    """A Deployment of one replica; the name of its pod."""
    labels = {"app": APP}
    main = container("main", busybox, "echo cast off; trap exit TERM; sleep 3600 & wait")
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [main]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    instance.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": APP}, "spec": spec})
    wait_for(f"{APP} is ready", lambda: instance.api.get(DEPLOYMENT).json().get("status", {}).get("readyReplicas") == 1)
    pods = instance.api.get("/api/v1/namespaces/default/pods", params={"labelSelector": f"app={APP}"}).json()["items"]
    yield pods[0]["metadata"]["name"]
    instance.api.delete(DEPLOYMENT)


def environment(instance: Instance) -> dict[str, str]:
    """What the page says that a shell needs first."""
    token = instance.client().headers["Authorization"].removeprefix("Bearer ")
    return {
        **os.environ,
        "KUBECONFIG": str(instance.kubeconfig),
        "KUBECACHEDIR": str(instance.home.parent / "kube-cache"),
        "HOST": f"https://127.0.0.1:{instance.api_port}",
        "CA": str(instance.home / "pki" / "ca.crt"),
        "TOKEN": token,
    }


def first_output(line: str, instance: Instance, directory: Path) -> str:
    """What a command writes: all of it, or of one that follows and has no end, the first that comes."""
    complaints = directory / "complaints"
    with (
        complaints.open("w") as heard,
        subprocess.Popen(
            ["bash", "-c", line],
            env=environment(instance),
            stdout=subprocess.PIPE,
            stderr=heard,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        if _follows(line):
            ready, _, _ = select.select([process.stdout], [], [], DEADLINE_SECONDS)
            written = os.read(process.stdout.fileno(), 65536) if ready else b""
            os.killpg(process.pid, signal.SIGKILL)
        else:
            written = process.stdout.read()
    assert _follows(line) or process.returncode == 0, f"{line}\n{complaints.read_text()}"
    return written.decode(errors="replace")


def _follows(line: str) -> bool:
    return line.endswith((" -w", " -f", " --prefix")) or "follow=true" in line


def shown(page: Page, instance: Instance) -> tuple[str, str]:
    """The kubectl and the curl of the drawer that is open."""
    lines = page.get_by_role("dialog", name="Show me the command").locator(".command")
    expect(lines).to_have_count(3)
    kubectl, curl, setup = lines.all_inner_texts()
    assert f"HOST=https://127.0.0.1:{instance.api_port} " in setup
    return kubectl, curl


def test_the_command_of_each_view_works(signed_in: Page, instance: Instance, ferry: str, tmp_path: Path) -> None:
    for address in VIEWS:
        signed_in.goto(address.format(pod=ferry))
        expect(signed_in.get_by_role("heading", level=1)).to_be_visible()
        if "logs" in address:
            expect(signed_in.get_by_test_id("log")).to_be_visible()  # and with it the command of the log
        if "terminal" in address:
            signed_in.get_by_role("textbox", name="Command").fill("echo 'all aboard'")
        signed_in.get_by_role("button", name="Show me the command").last.click()
        for line in shown(signed_in, instance):
            written = first_output(line, instance, tmp_path)
            assert written, line
            assert '"status":"Failure"' not in written.replace(" ", ""), f"{line}: {written}"
            if "terminal" in address:
                assert "all aboard" in written


def test_the_command_of_each_action_does_it(signed_in: Page, instance: Instance, ferry: str, tmp_path: Path) -> None:
    page = signed_in
    page.goto(f"/deployments/default/{APP}")

    def told(*presses: str) -> str:
        for press in presses:
            page.get_by_role("button", name=press).or_(page.get_by_role("menuitem", name=press)).first.click()
        dialog = page.get_by_role("dialog")
        if "Scale" in presses:
            dialog.get_by_role("textbox", name="Replicas").fill("0")
            expect(dialog).to_contain_text("--replicas=0")
        line = dialog.locator(".command-line .mono").inner_text()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        return line

    first_output(told("Restart"), instance, tmp_path)
    restarted = instance.api.get(DEPLOYMENT).json()["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in restarted
    first_output(told("Scale"), instance, tmp_path)
    assert instance.api.get(DEPLOYMENT).json()["spec"]["replicas"] == 0
    first_output(told("More actions", "Delete"), instance, tmp_path)
    expect(page.get_by_text("It was deleted.").or_(page.get_by_text("There is no Deployment")).first).to_be_visible()
