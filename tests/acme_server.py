"""A real ACME server for tests: Debian's ``pebble``, which validates HTTP-01 over the network, and the DNS that it asks.

with acme_server(http_port=8080) as server:      # where it asks for challenges
    server.directory, server.ca_file             # for SLIPWAY_ACME_DIRECTORY and SLIPWAY_ACME_CA_FILE
    server.resolve("a.test", "127.0.0.9")        # every other name is 127.0.0.1
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from controlplane.access import pki
from tests.cluster.instance import wait_for
from tests.ports import free_port

KEY_ID, KEY = "customer-7", base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
INSTALLED = shutil.which("pebble") is not None


@dataclass(frozen=True)
class AcmeServer:
    directory: str
    ca_file: Path
    management: str
    dns: str
    key_id: str
    """Of the account that every account here has to be bound to."""
    key_file: Path

    def roots(self) -> bytes:
        """What its certificates are to be verified with."""
        found = httpx.get(f"{self.management}/roots/0", verify=ssl.create_default_context(cafile=str(self.ca_file)))
        return found.raise_for_status().content

    def resolve(self, host: str, address: str) -> None:
        httpx.post(f"{self.dns}/clear-a", json={"host": f"{host}."}).raise_for_status()
        httpx.post(f"{self.dns}/add-a", json={"host": f"{host}.", "addresses": [address]}).raise_for_status()


@contextlib.contextmanager
def acme_server(*, http_port: int, life_seconds: int = 0) -> Iterator[AcmeServer]:
    """``life_seconds`` of the certificates it issues; 0: years."""
    directory = Path(tempfile.mkdtemp(prefix="slipway-acme-"))
    ports = {name: free_port() for name in ("acme", "management", "dns", "dns-management")}
    own = pki.ensure(directory, hosts=["127.0.0.1"])
    settings = {
        "listenAddress": f"127.0.0.1:{ports['acme']}",
        "managementListenAddress": f"127.0.0.1:{ports['management']}",
        "certificate": str(own.server_certificate),
        "privateKey": str(own.server_key),
        "httpPort": http_port,
        "tlsPort": 1,
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {KEY_ID: KEY},
        **({"certificateValidityPeriod": life_seconds} if life_seconds else {}),
    }
    key_file = directory / "key"
    key_file.write_text(f"{KEY}\n")
    (directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
    names = f"127.0.0.1:{ports['dns']}"
    server = AcmeServer(
        directory=f"https://127.0.0.1:{ports['acme']}/dir",
        ca_file=own.ca_certificate,
        management=f"https://127.0.0.1:{ports['management']}",
        dns=f"http://127.0.0.1:{ports['dns-management']}",
        key_id=KEY_ID,
        key_file=key_file,
    )
    dns = ["pebble-challtestsrv", "-dns01", names, "-management", f"127.0.0.1:{ports['dns-management']}"]
    dns += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
    pebble = ["pebble", "-config", str(directory / "pebble.json"), "-dnsserver", names]
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        for command in (dns, pebble):
            stack.enter_context(_running(command, directory / f"{command[0]}.log"))
        wait_for("pebble answers", lambda: _answers(server))
        yield server


@contextlib.contextmanager
def _running(command: list[str], log: Path) -> Iterator[None]:
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1"}  # it takes its time otherwise
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            yield
        finally:
            process.kill()


def _answers(server: AcmeServer) -> bool:
    try:
        return bool(server.roots()) and httpx.get(server.dns).status_code > 0
    except httpx.TransportError:
        return False
