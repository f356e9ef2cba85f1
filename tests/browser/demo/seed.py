"""Puts the shop into an instance: its images pushed and built, its objects made, the bad ones gone bad."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests import images
from tests.cluster import clients
from tests.cluster.instance import Instance, Wire, wait_for

NAMESPACE = "shop"
SHOP = Path(__file__).with_name("shop.yaml")
WINDOW = """\
FROM {base}
ARG VERSION=1.4
RUN mkdir /www && echo "<h1>The shop, version $VERSION</h1>" > /www/index.html
RUN head -c 3000000 /dev/urandom > /www/catalogue.bin
RUN for page in 1 2 3 4 5 6; do echo "rendering page $page of 6"; sleep 0.2; echo "page $page" > /www/$page.html; done
ENV SHOP_VERSION=$VERSION
EXPOSE 8080
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
"""
BROKEN = """\
FROM {base}
RUN echo "collecting dependencies"
RUN echo "error: package catalogue-index has no version 7.2" >&2; exit 1
CMD ["sh"]
"""
CERTIFICATE_DAYS = 9
"""Soon enough to need attention."""


@dataclass
class Demo:
    instance: Instance
    namespace: str = NAMESPACE

    @property
    def registry(self) -> str:
        return f"localhost:{self.instance.environment['SLIPWAY_REGISTRY_PORT']}"

    @property
    def base(self) -> str:
        return f"{self.registry}/{self.namespace}/base:1.36"

    def image(self, name: str) -> str:
        return f"{self.registry}/{self.namespace}/{name}"

    def seed(self) -> None:
        self.instance.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        self._open_a_way_in()
        self._push_base()
        self._build("web-1", WINDOW, tag="web:1.4")
        self._create(self._certificate())
        self._until_built("web-1", "Succeeded")
        for document in yaml.safe_load_all(self._shop()):
            self._create(document)
        self._build("web-2", WINDOW.replace("=1.4", "=1.5"), tag="web:1.5")
        self._build("search-1", BROKEN, tag="search:0.1")
        self._until_built("web-2", "Succeeded")
        self._until_built("search-1", "Failed")
        self._until_available("web", 3)
        self._until_available("checkout", 2)
        self._roll_out("web", "web", self.image("web:1.5"))
        self._roll_out("checkout", "checkout", self.image("checkout:2.0"))
        self._until_available("web", 3)
        self._until_available("orders", 2)
        self._until_crashed("mailer")

    def _open_a_way_in(self) -> None:
        """Ingresses are served by one of the lab's nodes; this machine's own ports 80 and 443 are not ours to take."""
        nodes = self.instance.api.get("/api/v1/nodes").raise_for_status().json()["items"]
        others = [node["metadata"]["name"] for node in nodes if node["metadata"]["name"] != self.instance.node]
        content = {"Content-Type": "application/merge-patch+json"}
        labels = {"metadata": {"labels": {"slipway.dev/ingress": "true"}}}
        for name in others[:1]:
            self.instance.api.patch(f"/api/v1/nodes/{name}", json=labels, headers=content).raise_for_status()

    def remove(self) -> None:
        self.instance.api.delete(f"/api/v1/namespaces/{self.namespace}")

    def _shop(self) -> str:
        return (
            SHOP.read_text()
            .replace("image: BASE", f"image: {self.base}")
            .replace("image: WEB", f"image: {self.image('web:1.4')}")
        )

    def _create(self, document: Wire) -> None:
        self.instance.create(document, namespace=self.namespace)

    def _push_base(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            built = images.busybox(extra=[images.layer([images.file("etc/motd", "The shop's tools\n")])])
            archive = Path(directory) / "base.tar"
            built.save_oci_archive(archive)
            admin = clients.skopeo(self.instance, Path(directory))
            for tag in ("1.36", "stable"):
                assert admin.push(archive, f"{self.namespace}/base:{tag}")

    def _build(self, name: str, dockerfile: str, *, tag: str) -> None:
        spec = {"dockerfile": dockerfile.format(base=self.base), "tags": [self.image(tag)]}
        self._create({"apiVersion": "slipway.dev/v1", "kind": "Build", "metadata": {"name": name}, "spec": spec})

    def _until_built(self, name: str, phase: str) -> None:
        path = f"/apis/slipway.dev/v1/namespaces/{self.namespace}/builds/{name}"
        wait_for(f"build {name} {phase}", lambda: self._status(path).get("phase") == phase, seconds=180)

    def _path(self, deployment: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{deployment}"

    def _status(self, path: str) -> Wire:
        return dict(self.instance.api.get(path).raise_for_status().json().get("status") or {})

    def _until_available(self, name: str, replicas: int) -> None:
        def asked() -> bool:
            found = self.instance.api.get(self._path(name)).raise_for_status().json()
            status = found.get("status") or {}
            observed = status.get("observedGeneration") == found["metadata"]["generation"]
            return observed and replicas == status.get("availableReplicas") == status.get("updatedReplicas")

        wait_for(f"{name} has {replicas} replicas", asked, seconds=180)

    def _roll_out(self, name: str, container: str, image: str) -> None:
        patch = {"spec": {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}}
        content = {"Content-Type": "application/strategic-merge-patch+json"}
        self.instance.api.patch(self._path(name), json=patch, headers=content).raise_for_status()

    def _until_crashed(self, name: str) -> None:
        where = f"/api/v1/namespaces/{self.namespace}/pods"

        def asked() -> bool:
            pods = self.instance.api.get(where, params={"labelSelector": f"app={name}"}).json()["items"]
            statuses = [status for pod in pods for status in (pod.get("status") or {}).get("containerStatuses") or []]
            return any("CrashLoopBackOff" in str(status.get("state")) for status in statuses)

        wait_for(f"{name} crashes", asked, seconds=60)

    def _certificate(self) -> Wire:
        """Of the shop's host, by nobody in particular, about to end."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.com")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=81))
            .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example.com")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        data = {"tls.crt": made.public_bytes(pem).decode(), "tls.key": private.decode()}
        metadata = {"name": "shop-certificate"}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "kubernetes.io/tls",
            "stringData": data,
        }
