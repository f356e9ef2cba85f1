"""How a client reaches the API: by a kubeconfig, with a token or a certificate."""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml

from controlplane.builds.sender.client import Client
from controlplane.builds.sender.errors import SendError

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def connect(file: Path | None, home: Path) -> tuple[Client, str]:
    """A client, and the namespace of its context. ``file``: else ``$KUBECONFIG``, else the administrator's of this instance."""
    path = file or Path(os.environ.get("KUBECONFIG") or home / "admin.kubeconfig")
    try:
        config = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a safe one
        context = _named(config["contexts"], config["current-context"], "context")
        cluster = _named(config["clusters"], context["cluster"], "cluster")
        user = _named(config["users"], context["user"], "user")
    except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise SendError(f"{path} is no usable kubeconfig: {error}") from None
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    return Client(cluster["server"], _tls(cluster, user), headers), str(context.get("namespace") or "default")


def _named(entries: list[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each[what] for each in entries if each["name"] == name)
    return found


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _text(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority) if authority else ssl.create_default_context()
    certificate, key = _text(user, "client-certificate"), _text(user, "client-key")
    if certificate and key:
        with tempfile.NamedTemporaryFile("w") as both:  # readable by its owner only; the library takes a file
            both.write(certificate + "\n" + key)
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _text(entry: dict[str, Any], name: str) -> str:
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"]).decode()
    return Path(entry[name]).read_text() if entry.get(name) else ""
