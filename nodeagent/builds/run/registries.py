"""How registries are reached and with which logins, in the words of buildah's configuration files."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah
from nodeagent.builds.run.errors import Failure
from nodeagent.errors import InvalidImageName
from nodeagent.facilities import Credentials
from nodeagent.images import reference
from nodeagent.images.reference import Reference
from nodeagent.images.registry import credentials
from nodeagent.images.settings import ImageSettings
from schema.slipway.building import SECRETS_PATH

if TYPE_CHECKING:
    from nodeagent.images.registry.own import OwnRegistry

ETC = Path("/etc/containers")
ASK_SECONDS = 120.0
"""How long an agent that restarts may take to answer."""
_POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


def parse(text: str, *, line: int = 0) -> Reference:
    try:
        return reference.parse(text)
    except InvalidImageName as error:
        raise Failure("BadName", str(error), line=line) from None


class Registries:
    def __init__(self, request: Mapping[str, Any]) -> None:
        self._node: Mapping[str, Any] = request["node"]
        self._cluster: Mapping[str, Any] = request.get("registry") or {}
        self._logins = dict(_given_logins())
        self._asked = 0

    def configure(self) -> None:
        ETC.mkdir(parents=True, exist_ok=True)
        (ETC / "policy.json").write_text(json.dumps(_POLICY))
        (ETC / "registries.conf").write_text(registries_conf(self._node, self._insecure(), self._caches()))
        self._trust()
        self._write_logins()

    def is_cluster(self, name: Reference) -> bool:
        return name.host in self._names()

    def _names(self) -> frozenset[str]:
        """All by which images mean the cluster's registry."""
        if not self._cluster.get("address"):
            return frozenset()
        return frozenset([self._cluster["address"], *(self._cluster.get("aliases") or ())])

    def at(self, name: Reference) -> Reference:
        """Where an image is to be had or pushed: one of the cluster's registry at its address."""
        return replace(name, host=str(self._cluster["address"])) if self.is_cluster(name) else name

    def own(self) -> OwnRegistry | None:
        """For the node's image store: the cluster's registry, with the build's own login."""
        from nodeagent.images.registry import own  # late: with all that an agent knows

        held = self._logins.get(str(self._cluster.get("address")))
        found = own.read(
            {"registry": self._cluster},
            server=self._node["server"],
            node="",
            password=lambda: held.password if held else "",
        )
        return replace(found, user="build") if found is not None else None

    def log_in(self, *, pull: Sequence[Reference] = (), push: Sequence[Reference] = ()) -> None:
        """Ask the agent for the rights at the cluster's own registry. Raises `Failure` where they are refused."""
        wanted = {"pull": _repositories(self, pull), "push": _repositories(self, push)}
        mirrored = any(name.host in (self._cluster.get("mirrors") or {}) for name in pull)
        if not any(wanted.values()) and not mirrored:
            return
        answer = self._ask(wanted)
        if answer.get("refusal"):
            reason = "PushDenied" if wanted["push"] else "PullDenied"
            raise Failure(reason, str(answer["refusal"]))
        for server in (self._cluster["address"], *(self._cluster.get("mirrors") or {}).values()):
            self._logins[str(server)] = Credentials(username="build", password=str(answer.get("token")))
        self._write_logins()

    def _ask(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        self._asked += 1
        number = f"{os.getpid()}-{time.time_ns()}-{self._asked}"
        draft = WORK / "out" / "ask.json.new"
        draft.write_text(json.dumps({"number": number, **wanted}))
        draft.rename(WORK / "out" / "ask.json")
        deadline = time.monotonic() + ASK_SECONDS
        while time.monotonic() < deadline:
            answer = _read(WORK / "in" / "login.json")
            if answer.get("number") == number:
                (WORK / "in" / "login.json").unlink(missing_ok=True)
                return answer
            time.sleep(0.05)
        raise Failure("NoLogin", "the node's agent did not answer: it may be down; raise spec.attempt to try again")

    def image_settings(self) -> ImageSettings:
        """As the agent's."""
        return ImageSettings(
            certificate_dirs=[Path(one) for one in self._node.get("certificates") or ()],
            insecure_hosts=frozenset(self._insecure()),
            mirrors=self._node.get("mirrors") or {},
        )

    def logins(self) -> Mapping[str, Credentials]:
        return self._logins

    def _write_logins(self) -> None:
        auths = {_docker_host(key): _login(value) for key, value in self._logins.items()}
        buildah.AUTH_FILE.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(buildah.AUTH_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump({"auths": auths}, out)

    def _insecure(self) -> list[str]:
        """Hosts over plain http: those that the node names."""
        return list(self._node.get("insecure") or ())

    def _caches(self) -> Mapping[str, str]:
        return {str(host): str(mirror) for host, mirror in (self._cluster.get("mirrors") or {}).items()}

    def _trust(self) -> None:
        """The node's certificates for all hosts and for each, and the cluster's authority."""
        common = WORK / "tmp" / "certificates"
        common.mkdir(parents=True, exist_ok=True)
        for directory in self._node.get("certificates") or ():
            for found in Path(directory).glob("*.crt"):
                (common / found.name).write_bytes(found.read_bytes())
            for found in Path(directory).glob("*/*.crt"):
                _place(found.parent.name, found.name, found.read_bytes())
        if self._cluster.get("caData"):
            authority = _pem(str(self._cluster["caData"]))
            for server in (self._cluster["address"], *(self._cluster.get("mirrors") or {}).values()):
                _place(str(server), "slipway.crt", authority)
            (common / "slipway.crt").write_bytes(authority)
        os.environ["SSL_CERT_DIR"] = f"/etc/ssl/certs:{common}"


def _pem(text: str) -> bytes:
    """Plain, or as a kubeconfig has it."""
    return text.encode() if "BEGIN CERTIFICATE" in text else base64.b64decode(text)


def _place(host: str, name: str, data: bytes) -> None:
    directory = ETC / "certs.d" / host
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data)


def registries_conf(node: Mapping[str, Any], insecure: Sequence[str], caches: Mapping[str, str]) -> str:
    """``caches`` are the cluster's own mirrors, asked after those that the node names. Loopback addresses without a
    certificate of their own are spoken to over plain http, as the agent does."""
    mirrors: dict[str, list[str]] = {host: list(named) for host, named in (node.get("mirrors") or {}).items()}
    for host, cache in caches.items():
        mirrors.setdefault(host, []).append(cache)
    lines = ['unqualified-search-registries = ["docker.io"]', 'short-name-mode = "permissive"', ""]
    certified = {path.parent.name for one in node.get("certificates") or () for path in Path(one).glob("*/*.crt")}
    hosts = dict.fromkeys([*insecure, *mirrors])
    for host in hosts:
        lines += ["[[registry]]", f"location = {json.dumps(host)}"]
        lines += ["insecure = true"] if host in insecure else []
        for mirror in mirrors.get(host, ()):
            lines += ["[[registry.mirror]]", f"location = {json.dumps(mirror)}"]
            lines += (
                ["insecure = true"] if mirror in insecure or (is_loopback(mirror) and mirror not in certified) else []
            )
        lines.append("")
    return "\n".join(lines)


def is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    return name == "localhost" or name.startswith("127.") or name in ("[::1]", "::1")


def _given_logins() -> Mapping[str, Credentials]:
    """Of the build's imagePullSecrets."""
    found: dict[str, Credentials] = {}
    directory = Path(SECRETS_PATH) / "login"
    for secret in sorted(directory.iterdir()) if directory.is_dir() else ():
        data = {file.name: file.read_text() for file in secret.iterdir() if file.is_file()}
        found |= credentials.from_secrets([{"stringData": data}])
    return found


def _docker_host(key: str) -> str:
    return "docker.io" if key == reference.DOCKER_HUB else key


def _login(found: Credentials) -> dict[str, str]:
    if found.identity_token:
        return {"identitytoken": found.identity_token, "auth": _basic(found.username or "token", "")}
    return {"auth": _basic(found.username, found.password)}


def _basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def _repositories(registries: Registries, names: Sequence[Reference]) -> list[str]:
    return sorted({name.repository for name in names if registries.is_cluster(name)})


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
