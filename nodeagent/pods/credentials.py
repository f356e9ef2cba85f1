"""What a pod's imagePullSecrets say about registries. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from nodeagent.facilities import Credentials
from schema.base import Wire
from schema.core.pod import Pod

_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")


def for_pod(pod: Pod, secrets: Mapping[str, Wire]) -> dict[str, Credentials]:
    """By registry host. A missing or broken Secret gives nothing: the registry's own refusal then says what is wrong."""
    found: dict[str, Credentials] = {}
    for reference in pod.spec.image_pull_secrets or ():
        data = (secrets.get(reference.name or "") or {}).get("data") or {}
        auths = _auths(data)
        for server, entry in auths.items():
            if isinstance(entry, dict) and (credentials := _credentials(entry)) is not None:
                found.setdefault(_host(server), credentials)
    return found


def _auths(data: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        if ".dockerconfigjson" in data:
            parsed = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths")
        elif ".dockercfg" in data:
            parsed = json.loads(base64.b64decode(data[".dockercfg"]))
        else:
            return {}
    except (binascii.Error, ValueError, AttributeError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _credentials(entry: Mapping[str, Any]) -> Credentials | None:
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if not username and entry.get("auth"):
        try:
            username, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    token = str(entry.get("identitytoken") or "")
    return Credentials(username, password, token) if username or token else None


def _host(server: str) -> str:
    """``https://index.docker.io/v1/`` and ``registry.example:5000/team`` are the hosts docker.io and registry.example:5000."""
    host = server.partition("://")[2] or server
    host = host.partition("/")[0]
    return "docker.io" if host in _DOCKER_HUB else host
