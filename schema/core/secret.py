"""Secret: confidential keys and values."""

from __future__ import annotations

from schema.core.configmap import Base64
from schema.meta import Object


class Secret(Object):
    """Confidential keys and values, for pods to read as variables or files. Encrypted at rest. At most 1 MiB."""

    api_version: str = "v1"
    kind: str = "Secret"
    immutable: bool | None = None
    """If true, data can never be changed, nor this."""
    data: dict[str, Base64] = {}
    """Bytes by key, base64 encoded. Keys hold letters, digits, - _ and . only."""
    string_data: dict[str, str] = {}
    """Text by key, for writing only: stored in data, over what is there."""
    type: str = ""
    """What the Secret holds; Opaque by default. Cannot be changed."""
