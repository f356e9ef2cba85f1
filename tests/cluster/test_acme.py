"""Certificates of Ingresses from a real ACME server, which verifies the names over the network."""

from __future__ import annotations

import base64
import os
import signal
import ssl
from collections.abc import Iterator

import httpx
import pytest
from cryptography import x509

from schema.base import Wire
from tests import acme_server, images, registry
from tests.acme_server import AcmeServer
from tests.cluster.instance import Instance, running, wait_for
from tests.cluster.pods import container, pod
from tests.ports import free_port

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
    pytest.mark.skipif(not acme_server.INSTALLED, reason="pebble is not installed"),
]

HTTP, HTTPS = free_port(), free_port()
LIFE_SECONDS = 30


@pytest.fixture(scope="module")
def authority() -> Iterator[AcmeServer]:
    with acme_server.acme_server(http_port=HTTP, life_seconds=LIFE_SECONDS) as server:
        yield server


@pytest.fixture(scope="module")
def cluster(authority: AcmeServer) -> Iterator[Instance]:
    settings = {
        "SLIPWAY_INGRESS_HTTP_PORT": str(HTTP),
        "SLIPWAY_INGRESS_HTTPS_PORT": str(HTTPS),
        "SLIPWAY_ACME_DIRECTORY": authority.directory,
        "SLIPWAY_ACME_CA_FILE": str(authority.ca_file),
        "SLIPWAY_ACME_EMAIL": "ops@example.com",
        "SLIPWAY_ACME_EAB_KEY_ID": authority.key_id,
        "SLIPWAY_ACME_EAB_KEY_FILE": str(authority.key_file),
        "SLIPWAY_ACME_RETRY_SECONDS": "1",
    }
    with running(**settings) as made, registry.start() as hub:
        image = images.busybox().push(hub, "busybox:latest")
        script = "mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"
        made.create(pod("web", container("main", image, script)))
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        spec = {"selector": {"app": "web"}, "ports": ports}
        made.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
        made.wait_running("web")
        yield made


def make(cluster: Instance, name: str, *hosts: str, issuer: str = "") -> None:
    backend = {"service": {"name": "web", "port": {"name": "http"}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    metadata = {"name": name, "annotations": {"slipway.dev/issuer": issuer} if issuer else {}}
    spec = {"rules": [{"host": host, "http": http} for host in hosts], "tls": [{"hosts": list(hosts)}]}
    cluster.create({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})


def issued(cluster: Instance, name: str) -> Wire:
    """The condition of that name."""
    found = cluster.api.get(f"/apis/networking.k8s.io/v1/namespaces/default/ingresses/{name}").json()
    conditions = found.get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "CertificatesIssued"), {})


def secret(cluster: Instance, name: str) -> Wire | None:
    answer = cluster.api.get(f"/api/v1/namespaces/default/secrets/{name}")
    return dict(answer.json()) if answer.status_code == 200 else None


def by(cluster: Instance, name: str) -> str:
    return str(
        ((secret(cluster, name) or {}).get("metadata") or {}).get("annotations", {}).get("slipway.dev/issued-by")
    )


def serial(cluster: Instance, name: str) -> int:
    chain = base64.b64decode((secret(cluster, name) or {})["data"]["tls.crt"])
    return x509.load_pem_x509_certificate(chain).serial_number


def page(host: str, roots: bytes) -> str | None:
    """By a client that trusts these authorities only."""
    context = ssl.create_default_context(cadata=roots.decode())
    try:
        with httpx.Client(verify=context) as client:
            url = f"https://127.0.0.1:{HTTPS}/"
            return client.get(url, headers={"Host": host}, extensions={"sni_hostname": host}).text.strip()
    except httpx.TransportError:
        return None


def test_until_a_node_can_answer_nothing_is_asked_and_our_own_authority_signs(cluster: Instance) -> None:
    make(cluster, "shop", "shop.test", "www.shop.test")
    says = wait_for("the reason", lambda: issued(cluster, "shop") or None)
    assert says["status"] == "False"
    assert "no ready node carries the label" in says["message"]
    wait_for("our certificate", lambda: by(cluster, "shop-tls") == "cluster-authority")
    assert secret(cluster, "shop-tls-acme") is None


def test_the_server_s_certificate_is_served_once_it_has_verified_the_names(
    cluster: Instance, authority: AcmeServer
) -> None:
    assert cluster.kubectl("label", "node", cluster.node, "slipway.dev/ingress=true").returncode == 0
    wait_for("the certificate", lambda: issued(cluster, "shop").get("status") == "True" or None)
    assert by(cluster, "shop-tls") == "acme"
    roots = authority.roots()
    assert wait_for("the page", lambda: page("shop.test", roots)) == "hello"
    assert page("www.shop.test", roots) == "hello"
    wait_for("a clean desk", lambda: secret(cluster, "shop-tls-acme") is None)
    account = cluster.api.get("/api/v1/namespaces/kube-system/secrets/slipway-acme").json()
    assert account["type"] == "slipway.dev/acme-account"


def test_what_failed_is_said_ours_is_served_meanwhile_and_it_is_tried_again(
    cluster: Instance, authority: AcmeServer
) -> None:
    authority.resolve("lost.test", "255.255.255.255")  # where nobody can listen
    make(cluster, "lost", "lost.test")
    says = wait_for("the failure", lambda: ((one := issued(cluster, "lost")).get("reason") == "Failed" and one) or None)
    assert "lost.test: " in says["message"]
    assert "255.255.255.255" in says["message"]
    ours = (cluster.home / "pki" / "ca.crt").read_bytes()
    assert wait_for("our certificate", lambda: page("lost.test", ours)) == "hello"
    told = cluster.kubectl("get", "events", "--field-selector", "involvedObject.name=lost").stdout
    assert "AcmeFailed" in told
    authority.resolve("lost.test", "127.0.0.1")
    wait_for("the certificate", lambda: by(cluster, "lost-tls") == "acme")


def test_it_is_renewed_before_it_ends_whoever_was_killed(cluster: Instance) -> None:
    before = serial(cluster, "shop-tls")
    os.kill(cluster.pid_of("worker"), signal.SIGKILL)
    # One that comes too late has ours in its place meanwhile.
    wait_for(
        "another certificate",
        lambda: serial(cluster, "shop-tls") != before and by(cluster, "shop-tls") == "acme",
        seconds=4.0 * LIFE_SECONDS,
    )


def test_an_ingress_may_keep_to_the_cluster_s_own_authority(cluster: Instance) -> None:
    make(cluster, "inner", "inner.test", issuer="cluster-authority")
    ours = (cluster.home / "pki" / "ca.crt").read_bytes()
    assert wait_for("the page", lambda: page("inner.test", ours)) == "hello"
    assert issued(cluster, "inner") == {}


def test_names_that_cannot_be_proved_so_are_said(cluster: Instance) -> None:
    make(cluster, "wild", "*.wild.test")
    says = wait_for("the reason", lambda: issued(cluster, "wild") or None)
    assert says["status"] == "False"
    assert "*.wild.test: HTTP-01 cannot prove" in says["message"]
