"""Requests from outside to services, by name, over TLS, on the nodes that are labelled for it."""

from __future__ import annotations

import base64
import contextlib
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from controlplane.access import pki
from schema.base import Wire
from tests import images, registry
from tests.cluster.instance import Instance, condition, running, wait_for
from tests.cluster.pods import container, pod
from tests.ports import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="containers need root")

HTTP, HTTPS = free_port(), free_port()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Instance]:
    with (
        running(SLIPWAY_INGRESS_HTTP_PORT=str(HTTP), SLIPWAY_INGRESS_HTTPS_PORT=str(HTTPS)) as made,
        registry.start() as hub,
    ):
        image = images.busybox().push(hub, "busybox:latest")
        script = "mkdir -p /www && hostname > /www/index.html && exec httpd -f -p 8080 -h /www"
        wire = pod("web-0", container("main", image, script))
        wire["metadata"]["labels"] = {"app": "web"}
        made.create(wire)
        made.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
            }
        )
        made.wait_running("web-0")
        yield made


def make(cluster: Instance, name: str, host: str, *, service: str = "web", tls: bool = False) -> None:
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"rules": [rule], **({"tls": [{"hosts": [host]}]} if tls else {})}
    cluster.create({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec})


def read(cluster: Instance, name: str) -> Wire:
    return dict(cluster.api.get(f"/apis/networking.k8s.io/v1/namespaces/default/ingresses/{name}").json())


def fetch(host: str) -> httpx.Response | None:
    try:
        return httpx.get(f"http://127.0.0.1:{HTTP}/", headers={"Host": host}, timeout=5)
    except httpx.TransportError:
        return None


def served(host: str) -> bool | None:
    answer = fetch(host)
    return (answer is not None and answer.status_code == 200 and answer.text.strip() == "web-0") or None


def test_a_node_answers_once_it_is_labelled_and_no_sooner(cluster: Instance) -> None:
    make(cluster, "plain", "plain.test")
    says = wait_for("a condition", lambda: condition(read(cluster, "plain"), "Ready"))
    assert says == "False"
    assert read(cluster, "plain")["spec"]["ingressClassName"] == "slipway"
    assert fetch("plain.test") is None
    assert cluster.kubectl("label", "node", cluster.node, "slipway.dev/ingress=true").returncode == 0
    wait_for("the page", lambda: served("plain.test"))
    wait_for("readiness", lambda: condition(read(cluster, "plain"), "Ready") == "True" or None)
    address = read(cluster, "plain")["status"]["loadBalancer"]["ingress"][0]["ip"]
    assert address in cluster.kubectl("get", "ingress", "plain").stdout


def test_a_certificate_is_made_and_the_client_can_verify_it(cluster: Instance) -> None:
    make(cluster, "secure", "secure.test", tls=True)
    wait_for("the redirect", lambda: (fetch("secure.test") or httpx.Response(0)).status_code == 308 or None)
    context = ssl.create_default_context(cafile=str(cluster.home / "pki" / "ca.crt"))

    def page() -> str | None:
        try:
            with httpx.Client(verify=context) as client:
                url = f"https://127.0.0.1:{HTTPS}/"
                answer = client.get(url, headers={"Host": "secure.test"}, extensions={"sni_hostname": "secure.test"})
        except httpx.TransportError:
            return None
        return answer.text.strip()

    assert wait_for("the page over TLS", page) == "web-0"
    secret = cluster.api.get("/api/v1/namespaces/default/secrets/secure-tls").json()
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"]["annotations"] == {"slipway.dev/issued-by": "cluster-authority"}


def test_a_certificate_of_the_users_own_is_served_and_followed_when_it_changes(cluster: Instance) -> None:
    def pair() -> dict[str, str]:
        chain, key = pki.issue(cluster.home, ["own.test"])
        return {"tls.crt": base64.b64encode(chain).decode(), "tls.key": base64.b64encode(key).decode()}

    first, second = pair(), pair()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own-tls"}, "type": "kubernetes.io/tls"}
    cluster.create({**secret, "data": first})
    make(cluster, "own", "own.test", tls=True)
    wait_for("the first", lambda: presented("own.test") == first["tls.crt"])
    assert cluster.api.patch(
        "/api/v1/namespaces/default/secrets/own-tls",
        json={"data": second},
        headers={"Content-Type": "application/merge-patch+json"},
    ).is_success
    wait_for("the second", lambda: presented("own.test") == second["tls.crt"])
    found = cluster.api.get("/api/v1/namespaces/default/secrets/own-tls").json()
    assert found["data"] == second  # a Secret of the users' is theirs


def presented(host: str) -> str | None:
    """The certificate that the proxy shows for the host: PEM in base64, as in a Secret."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", HTTPS), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            der = secure.getpeercert(binary_form=True)
    except OSError:
        return None
    return base64.b64encode(ssl.DER_cert_to_PEM_cert(der).encode()).decode() if der else None


def test_a_node_that_cannot_answer_says_why(cluster: Instance) -> None:
    def proxy() -> str | None:
        return condition(cluster.api.get(f"/api/v1/nodes/{cluster.node}").json(), "IngressServing")

    wait_for("the node's word", lambda: proxy() == "True")
    # While something else has the port, the proxy cannot come back.
    holder = [sys.executable, "-c", HOLD, str(HTTP)]
    with subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        said = held.stdout
        assert said is not None

        def taken() -> bool:
            kill_proxy(cluster)  # again, if it was quicker than the other
            return bool(select.select([said], [], [], 0.5)[0])

        wait_for("the port is another's", taken)
        wait_for("the failure", lambda: proxy() == "False")
        wait_for("the Ingress's word", lambda: "does not answer" in message(cluster, "plain") or None)
        assert condition(cluster.api.get(f"/api/v1/nodes/{cluster.node}").json(), "NetworkUnavailable") == "False"
        held.kill()
    wait_for("the page", lambda: served("plain.test"))
    wait_for("the node's word", lambda: proxy() == "True")


def kill_proxy(cluster: Instance) -> None:
    for file in Path("/run").glob(f"slipway-{cluster.id}*/ingress/pid"):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(file.read_text()), signal.SIGKILL)


HOLD = """
import socket, sys, time
while True:
    try:
        held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        break
    except OSError:
        time.sleep(0.01)
print("held", flush=True)
sys.stdin.read()
"""


def message(cluster: Instance, name: str) -> str:
    found = (read(cluster, name).get("status") or {}).get("conditions") or [{}]
    return str(found[0].get("message", ""))


def test_what_cannot_be_served_is_said(cluster: Instance) -> None:
    make(cluster, "lost", "lost.test", service="nosuch")

    wait_for("the reason", lambda: "the service nosuch does not exist" in message(cluster, "lost") or None)
    make(cluster, "second", "lost.test")
    wait_for("the conflict", lambda: "lost.test/ is the Ingress default/lost's" in message(cluster, "second") or None)
    answer = wait_for("an answer", lambda: fetch("lost.test"))
    assert answer.status_code in (404, 503)


def test_it_is_served_whoever_dies(cluster: Instance) -> None:
    pid = int(next(Path("/run").glob(f"slipway-{cluster.id}*/ingress/pid")).read_text())
    os.kill(cluster.pid_of("agent"), signal.SIGKILL)
    assert served("plain.test")
    os.kill(pid, signal.SIGKILL)
    wait_for("the page", lambda: served("plain.test"))


def test_a_node_without_the_label_stops_listening(cluster: Instance) -> None:
    assert cluster.kubectl("label", "node", cluster.node, "slipway.dev/ingress-").returncode == 0
    wait_for("silence", lambda: fetch("plain.test") is None or None)
    # What was in the middle of a request may end first.
    wait_for("its end", lambda: not any(Path("/run").glob(f"slipway-{cluster.id}*/ingress")) or None)
