"""Secret: keys that can be file names, base64 values, at most 1 MiB, and what its type asks for."""

from __future__ import annotations

import base64
import binascii
import json

from schema.base import Wire
from schema.core.secret import Secret
from schema.validation.causes import Problems
from schema.validation.configmap import SIZE_LIMIT, check_immutable, check_keys, decoded_size

DOCKER_CONFIG_JSON = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG = "kubernetes.io/dockercfg"

_REQUIRED_KEYS = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    DOCKER_CONFIG_JSON: (".dockerconfigjson",),
    DOCKER_CONFIG: (".dockercfg",),
}


def check(secret: Secret, problems: Problems) -> None:
    check_keys(secret.data, "data", problems)
    size = sum(decoded_size(value, f"data[{key}]", problems) for key, value in secret.data.items())
    if size > SIZE_LIMIT:
        problems.too_long("data", SIZE_LIMIT)
    for key in _REQUIRED_KEYS.get(secret.type, ()):
        if key not in secret.data:
            problems.required(f"data[{key}]")
    if secret.type == "kubernetes.io/basic-auth" and not secret.data.keys() & {"username", "password"}:
        problems.required("data[username]")
        problems.required("data[password]")
    if secret.type in (DOCKER_CONFIG, DOCKER_CONFIG_JSON):
        _check_json(secret, _REQUIRED_KEYS[secret.type][0], problems)
    if secret.type == "kubernetes.io/service-account-token" and not secret.metadata.annotations.get(
        "kubernetes.io/service-account.name"
    ):
        problems.required("metadata.annotations[kubernetes.io/service-account.name]")


def _check_json(secret: Secret, key: str, problems: Problems) -> None:
    try:
        json.loads(base64.b64decode(secret.data.get(key, "e30="), validate=True))
    except (binascii.Error, ValueError):
        problems.invalid(f"data[{key}]", "<secret contents redacted>", "must be valid JSON, base64 encoded")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    if new.get("type") != old.get("type"):
        problems.immutable("type", new.get("type"))
    check_immutable(new, old, ("data",), problems)
