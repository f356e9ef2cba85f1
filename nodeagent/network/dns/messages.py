"""What the agent and the DNS process say to each other, a line of JSON each. Pure.

The process greets whoever connects to it::

    {"version": "…", "pid": 17, "addresses": ["10.244.0.1"], "objects": 1200}

The agent says what is new. ``begin`` stands where all objects follow, and those not among them are gone; without it only the
ones that differ are said. Nothing of it holds before ``commit``, so an agent that dies in between has changed nothing::

    {"begin": {"addresses": […], "domain": "cluster.local", "resolvConf": "/etc/resolv.conf", "port": 53}}
    {"object": {"kind": "Service", …}}
    {"gone": ["Service", "default", "web"]}
    {"commit": 3}        ◂ {"done": 3, "problem": "", "conflict": false}

A successor, made because the agent has newer code, asks for the sockets, and they travel beside the answer::

    {"release": true}    ◂ {"sockets": [["10.244.0.1", "udp"], ["10.244.0.1", "tcp"]]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nodeagent.keys import Key

Message = dict[str, Any]
LINE_BYTES = 32 * 1024 * 1024
"""Of the longest: an EndpointSlice with all its endpoints is far smaller."""


@dataclass(frozen=True)
class Configuration:
    addresses: tuple[str, ...] = ()
    domain: str = ""
    resolv_conf: str = ""
    port: int = 53

    def message(self) -> Message:
        words = {"addresses": list(self.addresses), "domain": self.domain}
        return {"begin": {**words, "resolvConf": self.resolv_conf, "port": self.port}}

    @classmethod
    def parse(cls, wire: Mapping[str, Any]) -> Configuration:
        return cls(tuple(wire["addresses"]), str(wire["domain"]), str(wire["resolvConf"]), int(wire["port"]))


def encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Raises `ValueError`."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "Service": ("spec",),
    "EndpointSlice": ("addressType", "endpoints", "ports"),
    "Node": ("spec",),
    "Pod": ("status",),
    "Namespace": (),
}


def reduced(wire: Mapping[str, Any]) -> Message:
    """Without what names do not depend on: the process keeps each object."""
    metadata = wire["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "labels") if metadata.get(name)}
    if wire["kind"] != "EndpointSlice":
        kept.pop("labels", None)
    found: Message = {"kind": wire["kind"], "metadata": kept}
    for part in _NEEDED[wire["kind"]]:
        if wire.get(part):
            found[part] = wire[part]
    if wire["kind"] == "Pod":
        found["status"] = {"podIPs": (wire.get("status") or {}).get("podIPs") or []}
    if wire["kind"] == "Node":
        found["spec"] = {"podCIDRs": (wire.get("spec") or {}).get("podCIDRs") or []}
    return found


def key_of(wire: Mapping[str, Any]) -> Key:
    return Key(wire["kind"], wire["metadata"].get("namespace", ""), wire["metadata"]["name"])


class Objects:
    """What the process knows of the cluster."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[tuple[str, str], Message]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def all(self, kind: str) -> dict[tuple[str, str], Message]:
        return self._objects.get(kind, {})

    def get(self, kind: str, namespace: str, name: str) -> Message | None:
        return self.all(kind).get((namespace, name))

    def keys(self) -> set[Key]:
        return {Key(kind, *name) for kind, held in self._objects.items() for name in held}

    def put(self, key: Key, wire: Message | None) -> None:
        held = self._objects.setdefault(key.kind, {})
        if wire is None:
            held.pop(key[1:], None)
        else:
            held[key[1:]] = wire


@dataclass
class Draft:
    """What was said since the last commit."""

    configuration: Configuration | None = None
    """All objects follow it."""
    said: dict[Key, Message | None] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Raises `ValueError` or `KeyError` for what is not a message."""
        if "begin" in message:
            self.configuration, self.said = Configuration.parse(message["begin"]), {}
        elif "object" in message:
            self.said[key_of(message["object"])] = message["object"]
        elif "gone" in message:
            self.said[Key(*message["gone"])] = None
        else:
            raise ValueError(f"unknown message: {sorted(message)}")

    def differences(self, present: Objects) -> Iterable[tuple[Key, Message | None]]:
        """What is to be changed, in the order in which it was said."""
        found = {key: wire for key, wire in self.said.items() if present.get(*key) != wire}
        if self.configuration is not None:
            found |= dict.fromkeys(present.keys() - self.said.keys())
        return found.items()
