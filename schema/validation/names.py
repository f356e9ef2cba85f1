"""Names, labels and annotations: who may be called what (RFC 1123, and Kubernetes' qualified names)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache

from schema.validation.causes import Problems

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", re.ASCII)
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_PORT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_ENV_NAME = re.compile(r"[ -<>-~]+", re.ASCII)  # printable ASCII but "="

_ANNOTATIONS_LIMIT = 256 * 1024


@lru_cache(maxsize=2048)
def label_fault(text: str) -> str:
    """Why ``text`` is no DNS label (RFC 1123); empty if it is one."""
    if len(text) > 63:
        return "must be no more than 63 bytes"
    if _LABEL.fullmatch(text):
        return ""
    return (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
        " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
        " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )


@lru_cache(maxsize=2048)
def subdomain_fault(text: str) -> str:
    """Why ``text`` is no DNS subdomain (RFC 1123); empty if it is one."""
    if len(text) > 253:
        return "must be no more than 253 bytes"
    if _SUBDOMAIN.fullmatch(text):
        return ""
    return (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start"
        " and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
        " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    )


@lru_cache(maxsize=2048)
def qualified_fault(text: str) -> str:
    """Why ``text`` is no qualified name: ``[dns.prefix/]name``; empty if it is one."""
    prefix, slash, name = text.rpartition("/")
    if slash and "/" in prefix:
        return (
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional DNS subdomain"
            " prefix and '/' (e.g. 'example.com/MyName')"
        )
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and (fault := subdomain_fault(prefix)):
        return f"prefix part {fault}"
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 bytes"
    if _QUALIFIED.fullmatch(name):
        return ""
    return (
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
        " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
        " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
    )


@lru_cache(maxsize=2048)
def label_value_fault(text: str) -> str:
    if len(text) > 63:
        return "must be no more than 63 bytes"
    if _LABEL_VALUE.fullmatch(text):
        return ""
    return (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start"
        " and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for"
        " validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    )


def config_key_fault(text: str) -> str:
    """Why ``text`` is no key of a ConfigMap or Secret; it becomes a file name."""
    if len(text) > 253:
        return "must be no more than 253 bytes"
    if text in (".", ".."):
        return f"must not be '{text}'"
    if text.startswith(".."):
        return "must not start with '..'"
    if _CONFIG_KEY.fullmatch(text):
        return ""
    return (
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',"
        "  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )


def port_name_fault(text: str) -> str:
    """Why ``text`` is no port name (IANA service name)."""
    if len(text) > 15:
        return "must be no more than 15 characters"
    if not _PORT_NAME.fullmatch(text):
        return (
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), which must be neither first, last"
            " nor next to each other"
        )
    return "" if re.search("[a-z]", text) else "must contain at least one letter (a-z)"


def environment_name_fault(text: str) -> str:
    if _ENV_NAME.fullmatch(text):
        return ""
    return "a valid environment variable name must consist only of printable ASCII characters other than '='"


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def check_labels(labels: Mapping[str, str], path: str, problems: Problems) -> None:
    for key, value in labels.items():
        if fault := qualified_fault(key):
            problems.invalid(path, key, fault)
        if fault := label_value_fault(value):
            problems.invalid(path, value, fault)


def check_annotations(annotations: Mapping[str, str], path: str, problems: Problems) -> None:
    size = 0
    for key, value in annotations.items():
        # Unlike labels, the name part may be written in capitals in the prefix.
        if fault := qualified_fault(key.lower()):
            problems.invalid(path, key, fault)
        size += len(key.encode(errors="replace")) + len(value.encode(errors="replace"))
    if size > _ANNOTATIONS_LIMIT:
        problems.too_long(path, _ANNOTATIONS_LIMIT)
