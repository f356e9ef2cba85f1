"""What an object of the cluster view is called."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    kind: str
    namespace: str
    name: str
