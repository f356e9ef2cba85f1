"""JSON out, by orjson. Bytes that are JSON already pass through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import BaseRenderer

JSON = "application/json"


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


class Renderer(BaseRenderer):
    media_type = JSON
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data == b"":
            return b""
        request = (renderer_context or {}).get("request")
        if request is not None and request.query_params.get("pretty", "false").lower() not in ("", "0", "false"):
            whole = orjson.loads(data) if isinstance(data, bytes) else data
            return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        return data if isinstance(data, bytes) else dumps(data)
