"""The body formats, by media type. A format of a later issue has its line here already and is refused with 415."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from controlplane.api import bodies, presentation, rendering
from controlplane.api.bodies import Body
from controlplane.api.errors import NotAcceptable, UnsupportedMediaType

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"

Decoder = Callable[[bytes], Body]


class Parser(BaseParser):
    """Reads at most the permitted size, then decodes."""

    decode: ClassVar[Decoder]

    def parse(  # type: ignore[override] # DRF passes on whatever it is given
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Body:
        raw = stream.read(bodies.MAX_BYTES + 1)
        bodies.check_size(len(raw))
        return type(self).decode(raw)


def _parser(media: str, decoder: Decoder) -> type[Parser]:
    return type("Parser", (Parser,), {"media_type": media, "decode": staticmethod(decoder)})


OBJECTS = tuple(
    _parser(media, decoder)
    for media, decoder in (
        ("application/json", bodies.from_json),
        ("application/yaml", bodies.from_yaml),
        ("application/x-yaml", bodies.from_yaml),
        ("text/yaml", bodies.from_yaml),
        (PROTOBUF, bodies.from_protobuf),
    )
)
PATCHES = tuple(
    _parser(media, decoder)
    for media, decoder in (
        (MERGE_PATCH, bodies.from_json),
        (JSON_PATCH, bodies.from_json),
        (STRATEGIC_PATCH, bodies.from_json),
        # APPLY_PATCH (server-side apply, read as YAML) belongs here once fields have owners.
    )
)


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class Negotiation(BaseContentNegotiation):
    """Parser by Content-Type (none means the first: JSON); the renderer is always ours."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType("compressed bodies are not supported; send the body as it is")
        wanted = media_type(request.content_type)
        for parser in parsers:
            if parser.media_type == wanted:
                return parser
        if not wanted and request.method != "PATCH":
            return parsers[0]
        offered = ", ".join(parser.media_type for parser in parsers)
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {offered}"
        )

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        if presentation.parse(request.headers.get("Accept", "")) is None:
            raise NotAcceptable("only the following media types are accepted: application/json")
        return renderers[0], rendering.JSON
