"""How the client wants its answer: read from Accept, first understood wins. Answers are always JSON underneath."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Form(StrEnum):
    PLAIN = ""
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"
    MASKED = "Masked"
    """A Secret without its values. No client asks for it: it is what the dashboard's watch of Secrets is given."""


@dataclass(frozen=True)
class Presentation:
    form: Form = Form.PLAIN
    version: str = ""


_KNOWN = {
    (Form.TABLE, "meta.k8s.io", "v1"),
    (Form.TABLE, "meta.k8s.io", "v1beta1"),
    (Form.METADATA, "meta.k8s.io", "v1"),
    (Form.METADATA, "meta.k8s.io", "v1beta1"),
    (Form.METADATA_LIST, "meta.k8s.io", "v1"),
    (Form.METADATA_LIST, "meta.k8s.io", "v1beta1"),
    (Form.DISCOVERY, "apidiscovery.k8s.io", "v2"),
}
_JSON = {"application/json", "application/*", "*/*"}


@lru_cache(maxsize=256)
def parse(accept: str) -> Presentation | None:
    """The first form in ``accept`` that we can give; None where there is none (406)."""
    if not accept.strip():
        return Presentation()
    for part in accept.split(",", 32)[:32]:
        media, _, rest = part.strip().partition(";")
        if media.strip().lower() not in _JSON:
            continue
        found = _form(dict(_pair(item) for item in rest.split(";") if item.strip()))
        if found is not None:
            return found
    return None


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _form(parameters: dict[str, str]) -> Presentation | None:
    if "as" not in parameters:
        return Presentation()
    for form, group, version in _KNOWN:
        if (parameters["as"], parameters.get("g", group), parameters.get("v", "v1")) == (form, group, version):
            return Presentation(form, version)
    return None
