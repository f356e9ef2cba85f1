"""Registry credentials out of ``imagePullSecrets`` (pure).

Two kinds of Secret hold them: ``kubernetes.io/dockerconfigjson`` (key ``.dockerconfigjson``, as ``docker login``
writes it) and the older ``kubernetes.io/dockercfg`` (key ``.dockercfg``, without the outer ``auths``). Secrets that hold
nothing usable are passed over, as kubelet does: the pull then says that the registry refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nodeagent.facilities import Credentials
from nodeagent.images.reference import DOCKER_HUB

Wire = Mapping[str, Any]

_HUB_NAMES = {"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", DOCKER_HUB}


def from_secrets(secrets: Sequence[Wire]) -> Mapping[str, Credentials]:
    """By registry host (``docker.io`` for Docker Hub), or ``host/path`` where a login is for a part of a registry.

    The first secret that names a host wins.
    """
    found: dict[str, Credentials] = {}
    for secret in secrets:
        for key, login in _logins(secret).items():
            credentials = _credentials(login)
            if credentials is not None:
                found.setdefault(_host(key), credentials)
    return found


def for_repository(credentials: Mapping[str, Credentials], host: str, repository: str) -> Credentials | None:
    """The login for the longest matching ``host/path``, else for ``host``."""
    path = f"{host}/{repository}"
    while path:
        if path in credentials:
            return credentials[path]
        path = path.rpartition("/")[0]
    return None


def _logins(secret: Wire) -> Mapping[str, Any]:
    config = _read(secret, ".dockerconfigjson")
    if config is not None:
        auths = config.get("auths")
        return auths if isinstance(auths, dict) else {}
    return _read(secret, ".dockercfg") or {}


def _read(secret: Wire, key: str) -> dict[str, Any] | None:
    data, plain = secret.get("data") or {}, secret.get("stringData") or {}
    try:
        text = plain[key] if key in plain else base64.b64decode(data[key])
        value = json.loads(text)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    return value if isinstance(value, dict) else None


def _host(key: str) -> str:
    """``https://index.docker.io/v1/`` is Docker Hub; a scheme and the API's version say nothing."""
    address = key.partition("://")[2] or key
    address = address.rstrip("/")
    for version in ("/v1", "/v2"):
        address = address.removesuffix(version)
    host, _, path = address.partition("/")
    host = DOCKER_HUB if host in _HUB_NAMES else host
    return f"{host}/{path}" if path else host


def _credentials(login: Any) -> Credentials | None:
    if not isinstance(login, dict):
        return None
    username, password = _text(login, "username"), _text(login, "password")
    if not username and _text(login, "auth"):
        try:
            pair = base64.b64decode(_text(login, "auth")).decode()
        except (ValueError, binascii.Error):
            return None
        username, _, password = pair.partition(":")
    token = _text(login, "identitytoken")
    if not username and not token:
        return None
    return Credentials(username=username, password=password.rstrip("\0"), identity_token=token)


def _text(login: Mapping[str, Any], key: str) -> str:
    value = login.get(key)
    return value if isinstance(value, str) else ""
