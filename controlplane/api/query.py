"""What a query string may ask for, read once into typed options. Unknown parameters are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from controlplane.api.errors import ApiError, BadRequest, Invalid
from schema.kinds import Kind
from schema.selectors import FieldSelector, LabelSelector

MAX_TIMEOUT_SECONDS = 24 * 3600.0
Query = Mapping[str, str]


class FieldValidation(StrEnum):
    STRICT = "Strict"
    WARN = "Warn"
    IGNORE = "Ignore"


def check(query: Query) -> None:
    """No database takes a NUL in a parameter, and no selector has use for one."""
    for name, value in query.items():
        if "\x00" in value:
            raise BadRequest(f"invalid query parameter {name}: it contains a NUL character")


def flag(query: Query, name: str) -> bool:
    """Absent, ``0`` and ``false`` are false; anything else, even nothing after the ``=``, is true."""
    value = query.get(name)
    return value is not None and value.lower() not in ("0", "false")


def integer(query: Query, name: str) -> int | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    if not (text.isascii() and text.lstrip("-").isdigit()) or len(text) > 18:
        raise BadRequest(f'invalid query parameter {name}: "{text}" is not a whole number')
    return int(text)


def forbidden_option(kind: str, field: str, message: str) -> Invalid:
    details = {"kind": kind, "causes": [{"reason": "FieldValueForbidden", "message": message, "field": field}]}
    return Invalid(f'{kind}.meta.k8s.io "" is invalid: {field}: Forbidden: {message}', details=details)


def _choice(query: Query, name: str, allowed: tuple[str, ...]) -> str:
    value = query.get(name, "")
    if value and value not in allowed:
        options = ", ".join(f'"{each}"' for each in allowed)
        raise Invalid(f'invalid query parameter {name}: Unsupported value: "{value}": supported values: {options}')
    return value


def revision(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BadRequest(f'invalid resource version "{text}": it must be one that this server gave')
    return int(text)


@dataclass(frozen=True)
class WriteOptions:
    dry_run: bool = False
    field_validation: FieldValidation = FieldValidation.WARN

    @classmethod
    def parse(cls, query: Query) -> WriteOptions:
        dry = _choice(query, "dryRun", ("All",))
        validation = _choice(query, "fieldValidation", tuple(FieldValidation))
        return cls(dry == "All", FieldValidation(validation or FieldValidation.WARN))


def _fields(text: str, kind: Kind) -> FieldSelector:
    selector = FieldSelector.parse(text)
    for term in selector.terms:
        if term.field not in kind.all_selectable_fields:
            raise BadRequest(f"field label not supported: {term.field}")
    return selector


@dataclass(frozen=True)
class ListOptions:
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    limit: int = 0
    continue_token: str = ""
    revision: int | None = None
    """``resourceVersion``; None where the client gave none, 0 for any."""
    match: str = ""
    watch: bool = False
    send_initial_events: bool | None = None
    bookmarks: bool = False
    timeout_seconds: float | None = None

    @classmethod
    def parse(cls, query: Query, kind: Kind) -> ListOptions:
        labels, fields, version = (query.get(key, "") for key in ("labelSelector", "fieldSelector", "resourceVersion"))
        timeout = integer(query, "timeoutSeconds")
        options = cls(
            labels=LabelSelector.parse(labels) if labels else None,
            fields=_fields(fields, kind) if fields else None,
            limit=max(integer(query, "limit") or 0, 0),
            continue_token=query.get("continue", ""),
            revision=revision(version) if version else None,
            match=_choice(query, "resourceVersionMatch", ("Exact", "NotOlderThan")),
            watch=flag(query, "watch"),
            send_initial_events=flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
            bookmarks=flag(query, "allowWatchBookmarks"),
            timeout_seconds=min(float(timeout), MAX_TIMEOUT_SECONDS) if timeout else None,
        )
        refusal = options._watch_refusal() if options.watch else options._list_refusal()
        if refusal is not None:
            raise refusal
        return options

    def _list_refusal(self) -> ApiError | None:
        if self.send_initial_events is not None:
            return forbidden_option("ListOptions", "sendInitialEvents", "sendInitialEvents is forbidden for list")
        if self.match and self.revision is None:
            return forbidden_option(
                "ListOptions", "resourceVersionMatch", "is forbidden unless resourceVersion is provided"
            )
        if self.match == "Exact" and self.revision == 0:
            return forbidden_option(
                "ListOptions", "resourceVersionMatch", '"Exact" is forbidden for resourceVersion "0"'
            )
        if self.continue_token and self.match:
            return forbidden_option("ListOptions", "resourceVersionMatch", "is forbidden when continue is provided")
        return None

    def _watch_refusal(self) -> ApiError | None:
        if self.send_initial_events is not None and self.match != "NotOlderThan":
            message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            return forbidden_option("ListOptions", "resourceVersionMatch", message)
        if self.send_initial_events is None and self.match:
            return forbidden_option("ListOptions", "resourceVersionMatch", "is forbidden for watch")
        if self.continue_token:
            return forbidden_option("ListOptions", "continue", "is forbidden for watch")
        return None
