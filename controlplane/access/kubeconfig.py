"""Kubeconfig files: server, authority and token in one file that kubectl, helm and the client libraries read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from controlplane.access import tokens
from controlplane.access.files import write_private

if TYPE_CHECKING:
    from django.contrib.auth.models import User

NAME = "slipway"


def write(path: Path, *, server: str, ca_file: Path, token: str) -> None:
    """Replace ``path`` (mode 0600). The authority goes inside, so that the file can be copied to another machine."""
    write_private(path, yaml.safe_dump(document(server=server, ca_file=ca_file, token=token), sort_keys=False).encode())


def document(*, server: str, ca_file: Path, token: str) -> dict[str, Any]:
    authority = base64.b64encode(ca_file.read_bytes()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME, "namespace": "default"}}],
        "current-context": NAME,
    }


def ensure(path: Path, *, server: str, ca_file: Path, user: User) -> None:
    """See that ``path`` works for ``user``. A token in it that still works is kept: other copies of it stay valid."""
    token = _present_token(path)
    holder = tokens.authenticate(token) if token else None
    if token is None or holder is None or holder.name != user.username:
        token = tokens.issue_for_user(user, f"kubeconfig {path.name}")
    write(path, server=server, ca_file=ca_file, token=token)


def _present_token(path: Path) -> str | None:
    try:
        token = yaml.safe_load(path.read_bytes())["users"][0]["user"]["token"]
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return token if isinstance(token, str) else None
