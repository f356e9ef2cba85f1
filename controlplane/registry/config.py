"""What ``docker-registry`` is started with: a generated ``config.yml``, with the user's fragment merged over it.

The fragment (``config.user.yml`` beside it) may set and add anything but what the control plane stands on: where it listens,
how it authenticates, that it stores in a directory (garbage collection and the catalogue read it) and remembers nothing of
what is there (a collection would go unnoticed). Its notification endpoints are added to ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from controlplane.registry import tokens
from controlplane.registry.errors import BadFragment

Config = dict[str, Any]
FRAGMENT = "config.user.yml"
KEPT = (
    "http.addr",
    "http.net",
    "http.prefix",
    "http.tls.certificate",
    "http.tls.key",
    "auth",
    "storage.filesystem.rootdirectory",
    "storage.cache",
    "storage.delete",
    "proxy.remoteurl",
)
_DRIVERS = ("azure", "gcs", "inmemory", "oss", "s3", "swift")


@dataclass(frozen=True)
class Server:
    """One process. ``upstream`` makes it a pull-through cache of that registry."""

    directory: Path
    port: int
    service: str
    realm: str
    certificate: Path
    key: Path
    token_certificate: Path
    secret: str
    upstream: str = ""
    notify: str = ""
    """Where its notifications go; empty: nowhere."""
    notification_secret: str = ""

    @property
    def storage(self) -> Path:
        return self.directory / "data"

    @property
    def file(self) -> Path:
        return self.directory / "config.yml"


def generated(server: Server) -> Config:
    config: Config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}, "fields": {"service": server.service}},
        "storage": {
            "filesystem": {"rootdirectory": str(server.storage), "maxthreads": 100},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": True, "age": "24h", "interval": "1h", "dryrun": False}},
        },
        "http": {
            "addr": f":{server.port}",
            "secret": server.secret,
            "draintimeout": "2s",
            "tls": {"certificate": str(server.certificate), "key": str(server.key), "minimumtls": "tls1.2"},
            "headers": {"X-Content-Type-Options": ["nosniff"]},
        },
        "auth": {
            "token": {
                "realm": server.realm,
                "service": server.service,
                "issuer": tokens.ISSUER,
                "rootcertbundle": str(server.token_certificate),
            }
        },
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }
    if server.upstream:
        config["proxy"] = {"remoteurl": server.upstream}
        del config["storage"]["maintenance"]  # a cache's own is at work there
    if server.notify:
        config["notifications"] = {"endpoints": [_endpoint(server)]}
    return config


def _endpoint(server: Server) -> Config:
    return {
        "name": "slipway",
        "url": server.notify,
        "headers": {"Authorization": [f"Bearer {server.notification_secret}"]},
        "timeout": "5s",
        "threshold": 5,
        "backoff": "2s",
        "ignore": {"mediatypes": ["application/octet-stream"], "actions": ["pull", "mount"]},
    }


def merged(base: Config, fragment: Mapping[str, Any], *, where: str = FRAGMENT) -> Config:
    """Raises `BadFragment`, naming the key."""
    for path in KEPT:
        if _has(fragment, path):
            raise BadFragment(f"{where}: {path} is the control plane's own and cannot be set")
    for driver in _DRIVERS:
        if _has(fragment, f"storage.{driver}"):
            raise BadFragment(f"{where}: storage.{driver}: the cluster's registry stores in a directory; an outside "
                              "registry can store elsewhere (SLIPWAY_REGISTRY_PORT=0)")  # fmt: skip
    joined = _overlaid(base, fragment)
    ours = base.get("notifications", {}).get("endpoints", [])
    theirs = (fragment.get("notifications") or {}).get("endpoints") or []
    if theirs:
        joined["notifications"]["endpoints"] = [*ours, *theirs]
    return joined


def _has(fragment: Mapping[str, Any], path: str) -> bool:
    found: Any = fragment
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return True


def _overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> Config:
    """Objects are merged key by key; anything else replaces what was there."""
    found = dict(base)
    for key, value in over.items():
        there = found.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            value = _overlaid(there, value)
        found[key] = value
    return found


def read_fragment(path: Path) -> Mapping[str, Any]:
    """Empty where there is none. Raises `BadFragment` with the line at fault."""
    try:
        loaded = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFragment(f"{path} cannot be read: {error}") from None
    if loaded is not None and not isinstance(loaded, dict):
        raise BadFragment(f"{path}: a mapping is needed")
    return loaded or {}


def text(server: Server) -> str:
    """The file as it is to be written; JSON is YAML. Raises `BadFragment`."""
    fragment = read_fragment(server.directory / FRAGMENT)
    return json.dumps(merged(generated(server), fragment), indent=2) + "\n"
