"""Names and policies as pods see them: through the API, the agents, and a container's own resolver."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests import images
from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SERVE = "mkdir -p /www; echo here > /www/index.html; exec httpd -f -p 8080 -h /www"
NAMESPACE = "names"


@pytest.fixture(scope="module")
def asking(cluster: Lab) -> Iterator[Lab]:
    """A server on one node and a client on another, in a namespace of their own."""
    first, second = list(cluster.nodes)[:2]
    assert cluster.kubectl("create", "namespace", NAMESPACE).returncode == 0
    with cluster.registry() as registry:
        image = images.busybox().push(registry, "busybox:latest")
        port = {"name": "http", "containerPort": 8080}
        for name, node, script in (("server", first, SERVE), ("client", second, "sleep 3600")):
            wire = pod(name, container("main", image, script, ports=[port]), nodeName=node)
            answer = cluster.api.post(f"/api/v1/namespaces/{NAMESPACE}/pods", json=wire)
            assert answer.status_code == 201, answer.text
        for name in ("server", "client"):
            wait_for(f"{name} runs", lambda: phase(cluster, name) == "Running")  # noqa: B023 - called at once
        yield cluster
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def phase(cluster: Lab, name: str) -> str:
    status = cluster.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}").json().get("status") or {}
    return str(status.get("phase"))


def in_client(cluster: Lab, *command: str) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl("exec", "-n", NAMESPACE, "client", "--", *command)


def service(cluster: Lab, name: str, **spec: object) -> str:
    wire = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "server"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}], **spec},
    }
    answer = cluster.api.post(f"/api/v1/namespaces/{NAMESPACE}/services", json=wire)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["spec"]["clusterIP"])


def test_a_pod_asks_its_node(asking: Lab) -> None:
    text = in_client(asking, "cat", "/etc/resolv.conf").stdout
    assert f"search {NAMESPACE}.svc.cluster.local svc.cluster.local cluster.local" in text
    assert "options ndots:5" in text


def test_a_new_service_has_a_name_soon(asking: Lab) -> None:
    address = service(asking, "web")
    name = f"web.{NAMESPACE}.svc.cluster.local"
    wait_for("its name", lambda: address in in_client(asking, "nslookup", name).stdout)
    reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    assert name in in_client(asking, "nslookup", "-type=ptr", reverse).stdout


def test_a_headless_service_names_its_pods(asking: Lab) -> None:
    service(asking, "headless", clusterIP="None")
    address = asking.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods/server").json()["status"]["podIP"]
    name = f"headless.{NAMESPACE}.svc.cluster.local"
    wait_for("its name", lambda: address in in_client(asking, "nslookup", name).stdout)
    srv = in_client(asking, "nslookup", "-type=srv", f"_http._tcp.{name}").stdout
    assert f"8080 {address.replace('.', '-')}.{name}" in srv


def test_a_policy_shuts_the_server_and_its_removal_opens_it(asking: Lab) -> None:
    address = service(asking, "shop")  # nc, since wget of Debian's static busybox crashes in its libc

    def fetched() -> bool:
        script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1 {address} 80 | tail -n 1"
        return in_client(asking, "sh", "-c", script).stdout == "here\n"

    wire = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "shut"},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
    }
    path = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
    wait_for("it is open", fetched)
    assert asking.api.post(path, json=wire).status_code == 201
    wait_for("it is shut", lambda: not fetched())
    listed = asking.kubectl("get", "networkpolicies", "-n", NAMESPACE).stdout
    assert "app=server" in listed
    assert asking.api.delete(f"{path}/shut").status_code == 200
    wait_for("it is open again", fetched)
