"""Which ConfigMaps and Secrets a pod template uses, and the same template with other names in their place. Pure.

imagePullSecrets are left out: they are how an image is fetched, not what its program is told, and an old password of a
registry is of no use to anybody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from schema import kinds
from schema.base import Wire

CONFIG_MAP = kinds.CONFIG_MAP.kind
SECRET = kinds.SECRET.kind
PINNED = "slipway.dev/pinned-configuration"
"""Annotation of a pod template: as JSON, ``{"ConfigMap/settings": "settings-3f9a1c2b"}``."""


class Reference(NamedTuple):
    """A ConfigMap or Secret of the pod's namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def key(self) -> str:
        """In annotations and status."""
        return f"{self.kind}/{self.name}"


Renaming = Callable[[Reference], str]


def references(spec: Wire) -> list[Reference]:
    """What a pod spec uses, each once, in order of kind and name."""
    found: set[Reference] = set()

    def note(reference: Reference) -> str:
        found.add(reference)
        return reference.name

    _renamed(spec, note)
    return sorted(found)


def rewritten(spec: Wire, names: Mapping[Reference, str]) -> Wire:
    """The pod spec with these names in place of the user's; what has none keeps its own. The spec given stays as it is."""
    return _renamed(spec, lambda reference: names.get(reference, reference.name))


def text_of(template: Wire) -> str | None:
    """The annotation; None where there is none."""
    found = ((template.get("metadata") or {}).get("annotations") or {}).get(PINNED)
    return None if found is None else str(found)


def pinned(template: Wire) -> dict[Reference, str]:
    """The names that the template's annotation gives. What cannot be read of it pins nothing."""
    try:
        held = json.loads(text_of(template) or "")
    except ValueError:
        return {}
    if not isinstance(held, dict):
        return {}
    return {Reference(*key.split("/", 1)): to for key, to in held.items() if "/" in key and isinstance(to, str) and to}


def annotation(names: Mapping[Reference, str]) -> str:
    """What `pinned` reads. The same names are the same text."""
    held = {reference.key: to for reference, to in names.items()}
    return json.dumps(held, sort_keys=True, separators=(",", ":"))


# Each place of a spec that names one


def _renamed(spec: Wire, rename: Renaming) -> Wire:
    made = dict(spec)
    for part in ("initContainers", "containers", "ephemeralContainers"):
        _each(made, part, lambda container: _container(container, rename))
    _each(made, "volumes", lambda volume: _volume(volume, rename))
    return made


def _container(container: Wire, rename: Renaming) -> Wire:
    made = dict(container)
    _each(made, "envFrom", lambda source: _sources(source, _ENV_FROM, rename))
    _each(made, "env", lambda variable: _inside(variable, "valueFrom", lambda it: _sources(it, _ENV, rename)))
    return made


def _volume(volume: Wire, rename: Renaming) -> Wire:
    def projected(source: Wire) -> Wire:
        made = dict(source)
        _each(made, "sources", lambda each: _sources(each, _PROJECTED, rename))
        return made

    return _inside(_sources(volume, _VOLUME, rename), "projected", projected)


_Places = Iterable[tuple[str, str, str]]
"""Field, the kind that it names, and the field of the name in it."""
_ENV_FROM: _Places = (("configMapRef", CONFIG_MAP, "name"), ("secretRef", SECRET, "name"))
_ENV: _Places = (("configMapKeyRef", CONFIG_MAP, "name"), ("secretKeyRef", SECRET, "name"))
_PROJECTED: _Places = (("configMap", CONFIG_MAP, "name"), ("secret", SECRET, "name"))
_VOLUME: _Places = (("configMap", CONFIG_MAP, "name"), ("secret", SECRET, "secretName"))


def _sources(wire: Wire, places: _Places, rename: Renaming) -> Wire:
    made = wire
    for part, kind, key in places:
        made = _inside(made, part, partial(_named, kind=kind, key=key, rename=rename))
    return made


def _named(wire: Wire, kind: str, key: str, rename: Renaming) -> Wire:
    name = wire.get(key)
    return {**wire, key: rename(Reference(kind, name))} if name else wire


def _inside(wire: Wire, part: str, change: Callable[[Any], Any]) -> Wire:
    return {**wire, part: change(wire[part])} if wire.get(part) else wire


def _each(made: Wire, part: str, change: Callable[[Any], Any]) -> None:
    """In place, and only the outermost."""
    if made.get(part):
        made[part] = [change(item) for item in made[part]]
