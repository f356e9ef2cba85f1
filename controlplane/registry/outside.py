"""What a tag of an outside registry means: one HEAD request, with the login of the workload's ``imagePullSecrets``.

TLS by the system's certificates; plain http only to loopback and to hosts of ``SLIPWAY_REGISTRY_INSECURE``, as on nodes. A login
goes to its registry and to the token service that it names by https, to nobody else: redirects are not followed.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from controlplane.registry import names
from controlplane.registry.names import DOCKER_HUB, Image
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 10.0
LARGEST_TOKEN = 1024 * 1024
ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_PARAMETER = re.compile(r'([a-zA-Z_]+)="([^"]*)"')
_HUB = {"index.docker.io", "registry-1.docker.io", DOCKER_HUB}

Login = tuple[str, str]


class OutsideError(Exception):
    """The text is for people."""


class Silent(OutsideError):
    """The registry cannot be reached."""


def digest_of(image: Image, logins: Mapping[str, Login], *, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Raises `OutsideError`."""
    import httpx  # late: it costs a third of a second, and few clusters need it

    server = "registry-1.docker.io" if image.host == DOCKER_HUB else image.host
    url = f"{_scheme(server)}://{server}/v2/{image.repository}/manifests/{image.tag}"
    login = logins.get(image.host)
    try:
        with httpx.Client(timeout=timeout_seconds, follow_redirects=False) as client:
            answer = client.head(url, headers={"Accept": ACCEPT})
            if answer.status_code == 401:
                credential = _credential(client, answer.headers.get("www-authenticate", ""), image, login)
                answer = client.head(url, headers={"Accept": ACCEPT, "Authorization": credential})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Silent(str(error) or type(error).__name__) from None
    digest = answer.headers.get("docker-content-digest", "")
    if answer.status_code != 200:
        raise OutsideError(f"the registry answers {answer.status_code}")
    if not names.is_digest(digest):
        raise OutsideError("the registry names no digest")
    return str(digest)


def _credential(client: httpx.Client, challenge: str, image: Image, login: Login | None) -> str:
    scheme, _, rest = challenge.partition(" ")
    basic = "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else ""
    if scheme.lower() == "basic" and basic:
        return basic
    said = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    realm = said.get("realm", "")
    if scheme.lower() != "bearer" or not realm.startswith(f"{_scheme(urlsplit(realm).netloc)}://"):
        raise OutsideError("the registry wants a login that is not in imagePullSecrets")
    query = {"service": said.get("service", ""), "scope": f"repository:{image.repository}:pull"}
    answer = client.get(realm, params=query, headers={"Authorization": basic} if basic else {})
    if answer.status_code != 200 or len(answer.content) > LARGEST_TOKEN:
        raise OutsideError(f"its token service answers {answer.status_code}")
    try:
        said_token = json.loads(answer.content)
        token = said_token.get("token") or said_token["access_token"]
    except (ValueError, KeyError, AttributeError):
        raise OutsideError("its token service gives no token") from None
    return f"Bearer {token}"


def _scheme(server: str) -> str:
    insecure = os.environ.get("SLIPWAY_REGISTRY_INSECURE", "").replace(",", " ").split()
    return "http" if server in insecure or _is_loopback(server) else "https"


def _is_loopback(server: str) -> bool:
    host = server.rpartition(":")[0] or server
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def logins_of(workload: Wire) -> dict[str, Login]:
    """Of the template's imagePullSecrets, by registry; the first that names one counts."""
    spec = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    return logins_in(workload["metadata"]["namespace"], spec.get("imagePullSecrets") or ())


def logins_in(namespace: str, references: Iterable[Wire]) -> dict[str, Login]:
    """Of such Secrets."""
    found: dict[str, Login] = {}
    for reference in references:
        try:
            secret = objects.get(kinds.SECRET, namespace, str(reference.get("name")))
        except NotFound:
            continue
        for host, login in _read(secret):
            found.setdefault(host, login)
    return found


def _read(secret: Wire) -> Iterator[tuple[str, Login]]:
    try:
        auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
        for server, entry in auths.items():
            host = (server.partition("://")[2] or server).partition("/")[0]
            yield DOCKER_HUB if host in _HUB else host, _login(entry)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        return


def _login(entry: Mapping[str, Any]) -> Login:
    if entry.get("username"):
        return str(entry["username"]), str(entry.get("password") or "")
    name, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return name, password
