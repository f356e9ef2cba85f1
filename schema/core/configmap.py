"""ConfigMap: configuration as keys and values."""

from __future__ import annotations

from typing import Annotated

from schema.base import Format
from schema.meta import Object

Base64 = Annotated[str, Format("byte")]
"""Bytes, base64 encoded."""


class ConfigMap(Object):
    """Configuration as keys and values, for pods to read as variables or files. At most 1 MiB."""

    api_version: str = "v1"
    kind: str = "ConfigMap"
    immutable: bool | None = None
    """If true, data can never be changed, nor this."""
    data: dict[str, str] = {}
    """Text by key. Keys hold letters, digits, - _ and . only."""
    binary_data: dict[str, Base64] = {}
    """Bytes by key, base64 encoded. No key may be in data too."""
