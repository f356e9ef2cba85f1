"""Writes controlplane/api/protobuf/fields.txt: the field numbers of the kinds that the API serves.

    python setup/protobuf_fields.py KUBERNETES_API APIMACHINERY > controlplane/api/protobuf/fields.txt

The arguments are checkouts of kubernetes/api and kubernetes/apimachinery; their generated.proto files are the definition
of the wire format. To be run again when a kind is added to `schema.kinds`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from schema import kinds

_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)
_SCALARS = {"string", "bytes", "bool", "int32", "int64", "double"}
ALSO = ["autoscaling/v1.Scale", "meta/v1.DeleteOptions", "core/v1.Binding", "policy/v1.Eviction"]


def package(name: str) -> str:
    """``k8s.io.apimachinery.pkg.apis.meta.v1`` is meta/v1, ``k8s.io.api.core.v1`` core/v1."""
    parts = name.split(".")
    return "/".join(parts[-2:]) if re.fullmatch(r"v\d\w*", parts[-1]) else parts[-1]


def read(text: str, found: dict[str, list[str]]) -> None:
    stripped = re.sub(r"//.*", "", text)
    named = re.search(r"^package (\S+);", stripped, re.MULTILINE)
    if named is None:
        raise SystemExit("a file without a package")
    own = package(named[1])
    for message, body in _MESSAGE.findall(stripped):
        fields = []
        for line in body.splitlines():
            field = re.fullmatch(r"\s+(?:(optional|repeated) (\S+)|map<string, (\S+)>) (\w+) = (\d+);", line)
            if field:
                label, kind, value, name, number = field.groups()
                mark = "%" if value else "*" if label == "repeated" else ""
                fields.append(f"{name}={number}:{mark}{qualified(value or kind, own)}")
        found[f"{own}.{message}"] = fields


def qualified(kind: str, own: str) -> str:
    if kind in _SCALARS:
        return kind
    space, _, name = kind.lstrip(".").rpartition(".")
    return f"{package(space) if space else own}.{name}"


def reachable(roots: list[str], found: dict[str, list[str]]) -> list[str]:
    known: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop(0)
        if name in known or name in _SCALARS:
            continue
        known[name] = None
        waiting += [field.split(":")[1].lstrip("*%") for field in found[name]]
    return sorted(known)


def main(directories: list[str]) -> None:
    found: dict[str, list[str]] = {}
    for directory in directories:
        for path in sorted(Path(directory).rglob("generated.proto")):
            read(path.read_text(), found)
    groups = {"": "core", "coordination.k8s.io": "coordination"}
    served = [*kinds.ALL, *(each.kind for each in kinds.VERSIONS)]
    roots = [f"{groups.get(kind.group, kind.group.split('.')[0])}/{kind.version}.{kind.kind}" for kind in served]
    for name in reachable(roots + ALSO, found):
        print(name, *found[name])


if __name__ == "__main__":
    main(sys.argv[1:])
