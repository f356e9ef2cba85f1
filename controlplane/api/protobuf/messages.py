"""What the messages hold: read from ``fields.txt`` once, at the first protobuf body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_RENAMED = {"uID": "uid", "aPIGroup": "apiGroup"}
"""Fields whose JSON name is another."""
_REFERENCE_INLINED = {
    "core/v1.ConfigMapKeySelector",
    "core/v1.SecretKeySelector",
    "core/v1.ConfigMapEnvSource",
    "core/v1.SecretEnvSource",
    "core/v1.ConfigMapProjection",
    "core/v1.SecretProjection",
    "core/v1.ConfigMapVolumeSource",
}
_INLINED = {
    ("core/v1.Volume", "volumeSource"),
    ("core/v1.PersistentVolumeSpec", "persistentVolumeSource"),
    ("core/v1.Probe", "handler"),
    ("core/v1.EphemeralContainer", "ephemeralContainerCommon"),
    ("networking/v1.IngressRule", "ingressRuleValue"),
    *((message, "localObjectReference") for message in _REFERENCE_INLINED),
}
"""Messages whose fields lie in the JSON of the message around them."""


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    """A scalar's name or a message's."""
    repeated: bool = False
    mapped: bool = False
    """A map from text to ``type``."""
    inlined: bool = False


Message = Mapping[int, Field]


@lru_cache(maxsize=1)
def all_messages() -> Mapping[str, Message]:
    found: dict[str, Message] = {}
    for line in (Path(__file__).parent / "fields.txt").read_text().splitlines():
        message, *entries = line.split()
        found[message] = dict(_field(message, entry) for entry in entries)
    return found


def _field(message: str, entry: str) -> tuple[int, Field]:
    name, _, rest = entry.partition("=")
    number, _, kind = rest.partition(":")
    return int(number), Field(
        name=_RENAMED.get(name, name),
        type=kind.lstrip("*%"),
        repeated=kind.startswith("*"),
        mapped=kind.startswith("%"),
        inlined=(message, name) in _INLINED,
    )
