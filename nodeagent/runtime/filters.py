"""Compiled seccomp filters, kept between containers.

Compiling the default filter takes libseccomp 10 ms, more than all else that crun does to create a container. crun keeps
what it compiled in its state directory and accepts a compiled filter in an annotation; so the first container with a
given filter leaves it for all that follow.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import orjson

from schema.base import Wire

_ANNOTATION = "run.oci.seccomp_bpf_data"
_MAXIMUM = 32
"""Different filters kept; pods that differ in capabilities differ in filters."""


class Filters:
    def __init__(self, state: Path) -> None:
        """``state`` is crun's ``--root``."""
        self._state = state
        self._compiled: dict[bytes, str] = {}

    def annotate(self, spec: Wire) -> Wire:
        """The configuration with its compiled filter, where it is known."""
        compiled = self._compiled.get(_key(spec))
        if compiled is None:
            return spec
        return {**spec, "annotations": {**spec.get("annotations", {}), _ANNOTATION: compiled}}

    def learn(self, spec: Wire, container_id: str) -> None:
        """Keep what crun compiled for this container, which has just been created."""
        key = _key(spec)
        if not key or key in self._compiled:
            return
        try:
            compiled = (self._state / container_id / "seccomp.bpf").read_bytes()
        except OSError:
            return  # another version of crun may keep it elsewhere
        if compiled:
            while len(self._compiled) >= _MAXIMUM:
                del self._compiled[next(iter(self._compiled))]
            self._compiled[key] = base64.b64encode(compiled).decode()


def _key(spec: Wire) -> bytes:
    """Of the filter's source; empty when there is none."""
    source = spec["linux"].get("seccomp")
    return hashlib.sha256(orjson.dumps(source)).digest() if source else b""
