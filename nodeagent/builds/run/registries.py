"""How registries are reached and with which logins, in the words of buildah's configuration files."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah
from nodeagent.builds.run.errors import Failure
from nodeagent.errors import InvalidImageName
from nodeagent.facilities import Credentials
from nodeagent.images import credentials, reference
from nodeagent.images.reference import Reference
from schema.slipway.build import SECRETS_PATH

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
        (ETC / "registries.conf").write_text(registries_conf(self._node, self._insecure()))
        self._trust()
        self._write_logins()

    def is_cluster(self, name: Reference) -> bool:
        return bool(self._cluster) and name.host == self._cluster.get("address")

    def log_in(self, *, pull: Sequence[Reference] = (), push: Sequence[Reference] = ()) -> None:
        """Ask the agent for the rights at the cluster's own registry. Raises `Failure` where they are refused."""
        wanted = {"pull": _repositories(self, pull), "push": _repositories(self, push)}
        if not any(wanted.values()):
            return
        answer = self._ask(wanted)
        if answer.get("refusal"):
            reason = "PushDenied" if wanted["push"] else "PullDenied"
            raise Failure(reason, str(answer["refusal"]))
        self._logins[str(self._cluster["address"])] = Credentials(username="build", password=str(answer.get("token")))
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
            _place(str(self._cluster["address"]), "slipway.crt", _pem(str(self._cluster["caData"])))
        os.environ["SSL_CERT_DIR"] = f"/etc/ssl/certs:{common}"


def _pem(text: str) -> bytes:
    """Plain, or as a kubeconfig has it."""
    return text.encode() if "BEGIN CERTIFICATE" in text else base64.b64decode(text)


def _place(host: str, name: str, data: bytes) -> None:
    directory = ETC / "certs.d" / host
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data)


def registries_conf(node: Mapping[str, Any], insecure: Sequence[str]) -> str:
    """Loopback addresses without a certificate of their own are spoken to over plain http, as the agent does."""
    mirrors: Mapping[str, Sequence[str]] = node.get("mirrors") or {}
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
