"""ConfigMap: keys that can be file names, at most 1 MiB, and immutable ones left alone."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from schema.base import Wire
from schema.core.configmap import ConfigMap
from schema.validation.causes import Problems
from schema.validation.names import config_key_fault

SIZE_LIMIT = 1024 * 1024


def check(config_map: ConfigMap, problems: Problems) -> None:
    check_keys(config_map.data, "data", problems)
    check_keys(config_map.binary_data, "binaryData", problems)
    for key in config_map.data.keys() & config_map.binary_data.keys():
        problems.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    size = sum(len(value.encode(errors="surrogatepass")) for value in config_map.data.values())
    size += sum(decoded_size(value, f"binaryData[{key}]", problems) for key, value in config_map.binary_data.items())
    if size > SIZE_LIMIT:
        problems.too_long("", SIZE_LIMIT)


def check_keys(keys: Iterable[str], path: str, problems: Problems) -> None:
    for key in keys:
        if fault := config_key_fault(key):
            problems.invalid(f"{path}[{key}]", key, fault)


def decoded_size(value: str, path: str, problems: Problems) -> int:
    """Bytes that a base64 text stands for; 0 and a cause where it is none."""
    try:
        # Line breaks are allowed, as encoders make them.
        return len(base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True))
    except (binascii.Error, ValueError):
        # The value may be confidential, so it is not repeated.
        problems.invalid(path, "<omitted>", "must be base64 encoded (use stringData in a Secret for plain text)")
        return 0


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    check_immutable(new, old, ("data", "binaryData"), problems)


def check_immutable(new: Wire, old: Wire, fields: tuple[str, ...], problems: Problems) -> None:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        problems.forbidden("immutable", "field is immutable when `immutable` is set")
    for name in fields:
        if (new.get(name) or {}) != (old.get(name) or {}):
            problems.forbidden(name, "field is immutable when `immutable` is set")
