"""From a CustomResourceDefinition to the kinds that it makes. They satisfy what every kind does, so all that is generic
serves them; only where a type's fields would be asked, `Kind.custom` answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson

from schema.base import Wire
from schema.custom import defaulting, paths, pruning, structural
from schema.custom.resource import Column, Custom, CustomObject, Scale
from schema.kind import Kind, Version

_PRIORITY = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STABILITY = {None: 2, "beta": 1, "alpha": 0}


@dataclass(frozen=True, eq=False)
class Definition:
    """What is served of one CustomResourceDefinition."""

    name: str
    uid: str
    stored: Kind
    """In the version in which objects are stored."""
    versions: tuple[Version, ...]
    """Those that are served, the preferred one first; the stored one is among them if it is served."""


def define(wire: Wire) -> Definition:
    """Of a definition whose names are accepted."""
    spec = wire["spec"]
    stored = _kind(wire, next(each for each in spec["versions"] if each.get("storage")))
    served = [each for each in spec["versions"] if each.get("served")]
    ordered = sorted(served, key=lambda each: priority(each["name"]), reverse=True)
    kinds = [stored if each.get("storage") else _kind(wire, each) for each in ordered]
    metadata = wire["metadata"]
    return Definition(metadata["name"], metadata["uid"], stored, tuple(_version(kind, stored) for kind in kinds))


def priority(version: str) -> tuple[Any, ...]:
    """Stable before beta before alpha, then the higher number; what is no such version comes last, by the alphabet."""
    match = _PRIORITY.fullmatch(version)
    if match is None:
        return (0, (*(-ord(letter) for letter in version), 1))
    return (1, _STABILITY[match[2]], int(match[1]), int(match[3] or 0))


def _kind(wire: Wire, version: Wire) -> Kind:
    spec, names = wire["spec"], (wire.get("status") or {}).get("acceptedNames") or wire["spec"]["names"]
    subresources = version.get("subresources") or {}
    made = Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        model=CustomObject,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("status", "scale") if subresources.get(name) is not None),
        selectable_fields=tuple(
            ".".join(paths.plain(each["jsonPath"])) for each in version.get("selectableFields") or ()
        ),
        delete_returns_object=False,
        list_name=names.get("listKind") or "",
    )
    return replace(made, custom=_custom(wire, version, made))


def _custom(wire: Wire, version: Wire, kind: Kind) -> Custom:
    given = (version.get("schema") or {}).get("openAPIV3Schema")
    columns = version.get("additionalPrinterColumns")
    scale = (version.get("subresources") or {}).get("scale")
    usual = f"{kind.api_version} {kind.kind} is deprecated"
    return Custom(
        definition=wire["metadata"]["name"],
        schema=structural.read(given) if given else structural.EMPTY,
        columns=tuple(map(_column, columns)) if columns else None,
        scale=_scale(scale) if scale is not None else None,
        warning=(version.get("deprecationWarning") or usual) if version.get("deprecated") else "",
        terminating="deletionTimestamp" in wire["metadata"],
    )


def _column(wire: Wire) -> Column:
    return Column(
        name=wire["name"],
        type=wire["type"],
        format=wire.get("format") or "",
        description=wire.get("description") or "",
        priority=wire.get("priority") or 0,
        path=wire["jsonPath"],
    )


def _scale(wire: Wire) -> Scale:
    selector = wire.get("labelSelectorPath")
    return Scale(
        paths.plain(wire["specReplicasPath"]),
        paths.plain(wire["statusReplicasPath"]),
        paths.plain(selector) if selector else (),
    )


# -- versions: the same objects, by another name


def _version(kind: Kind, stored: Kind) -> Version:
    shown: Callable[[Wire], Wire] = partial(_shown, kind)
    return Version(kind=kind, stored=stored, from_stored=shown, to_stored=partial(_stored, stored))


def _shown(kind: Kind, wire: Wire) -> Wire:
    """As the version has it, with what its schema fills in by now."""
    named = {**wire, "apiVersion": kind.api_version, "kind": kind.kind}
    if kind.custom is None or not kind.custom.schema.has_defaults or "uid" not in wire.get("metadata", {}):
        return named
    copied: Wire = orjson.loads(orjson.dumps(named))  # what is stored is shared
    defaulting.default(kind.custom.schema, copied)
    return copied


def _stored(stored: Kind, wire: Wire) -> Wire:
    named = {**wire, "apiVersion": stored.api_version, "kind": stored.kind}
    if stored.custom is not None:
        pruning.prune(stored.custom.schema, named)
    return named
