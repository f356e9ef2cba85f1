"""Secret: its type, and stringData folded into data."""

from __future__ import annotations

import base64

from schema.base import Wire
from schema.defaulting.parts import child, fill


def default(wire: Wire) -> None:
    fill(wire, "type", "Opaque")
    text = child(wire, "stringData")
    if text is None or not all(isinstance(value, str) for value in text.values()):
        return
    data = wire.setdefault("data", {})
    if isinstance(data, dict):
        for key, value in text.items():
            data[key] = base64.b64encode(value.encode(errors="surrogatepass")).decode()
        del wire["stringData"]
