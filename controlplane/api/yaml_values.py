"""YAML to plain JSON values, as Kubernetes reads it: YAML 1.1 without timestamps and sexagesimal numbers.

Built from the parser's events with a stack of our own. PyYAML's loaders recurse in C, so that deep nesting ends the
process, and their aliases make a few bytes stand for gigabytes; here both have a bound that is kept while reading.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 100
MAX_NODES = 1_000_000
"""Values in the result, counting what an alias stands for each time."""

_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_CORE = {_TAG + name: name for name in ("null", "bool", "int", "float", "str", "map", "seq")}

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {
    word: value
    for value, words in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for lower in words
    for word in (lower, lower.capitalize(), lower.upper())
}
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_MERGE = "<<"


class Refused(ValueError):
    """The text is no YAML, or YAML that JSON cannot say; the message says where."""


@dataclass
class Document:
    value: Any
    repeated: list[tuple[Any, str]]
    """Mappings and the keys that came more than once in them."""


@dataclass
class _Open:
    """A mapping or sequence under construction."""

    container: Any
    anchor: str | None
    nodes_before: int
    key: str | None = None
    is_merge: bool = False
    merged: list[Any] = field(default_factory=list)
    height: int = 1


@dataclass(frozen=True)
class _Anchored:
    value: Any
    nodes: int
    height: int


def read(text: str) -> Document:
    builder = _Builder(_Parser(text))
    try:
        return builder.document()
    except yaml.YAMLError as error:
        raise Refused(str(error)) from None
    finally:
        builder.parser.dispose()


class _Builder:
    def __init__(self, parser: Any) -> None:
        self.parser = parser
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}
        self.repeated: list[tuple[Any, str]] = []
        self.nodes = 0
        self.value: Any = None
        self.documents = 0

    def document(self) -> Document:
        while self.parser.check_event():
            self._take(self.parser.get_event())
        return Document(self.value, self.repeated)

    def _take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._open({}, event, "map")
            case yaml.SequenceStartEvent():
                self._open([], event, "seq")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise Refused("there is more than one document; send them one by one")

    def _scalar(self, event: Any) -> None:
        value = _resolve(event)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(value, 1, 0)
        is_merge = value == _MERGE and event.implicit[0]
        self._put(value, nodes=1, height=0, is_merge_key=is_merge, at=event)

    def _open(self, container: Any, event: Any, expected: str) -> None:
        if event.tag is not None and _CORE.get(event.tag) != expected and event.tag != "!":
            raise Refused(f"the tag {event.tag} has no JSON form{_where(event)}")
        if len(self.stack) >= MAX_DEPTH:
            raise Refused(f"it is nested deeper than {MAX_DEPTH} levels{_where(event)}")
        self._refuse_as_key(event)
        self.stack.append(_Open(container, event.anchor, self.nodes))

    def _close(self) -> None:
        done = self.stack.pop()
        for source in done.merged:
            for key, value in source.items():
                done.container.setdefault(key, value)
        nodes = self.nodes - done.nodes_before + 1
        if done.anchor:
            self.anchors[done.anchor] = _Anchored(done.container, nodes, done.height)
        self._put(done.container, nodes=1, height=done.height)

    def _alias(self, event: Any) -> None:
        known = self.anchors.get(event.anchor)
        if known is None:
            raise Refused(f"the alias *{event.anchor} names nothing that is complete{_where(event)}")
        if isinstance(known.value, dict | list):
            self._refuse_as_key(event)
        self._put(known.value, nodes=known.nodes, height=known.height, at=event)

    def _refuse_as_key(self, event: Any) -> None:
        if self.stack and isinstance(self.stack[-1].container, dict) and self.stack[-1].key is None:
            raise Refused(f"a key must be text{_where(event)}")

    def _put(self, value: Any, *, nodes: int, height: int, is_merge_key: bool = False, at: Any = None) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise Refused(f"it holds more than {MAX_NODES} values when its aliases are written out")
        if len(self.stack) + height > MAX_DEPTH:
            raise Refused(f"it is nested deeper than {MAX_DEPTH} levels")
        if not self.stack:
            self.value = value
            return
        top = self.stack[-1]
        top.height = max(top.height, height + 1)
        if isinstance(top.container, list):
            top.container.append(value)
        elif top.key is None:
            top.key, top.is_merge = _key(value, at), is_merge_key
        else:
            self._put_entry(top, value)

    def _put_entry(self, top: _Open, value: Any) -> None:
        key, top.key = top.key or "", None
        if top.is_merge:
            sources = value if isinstance(value, list) else [value]
            if not all(isinstance(source, dict) for source in sources):
                raise Refused("only mappings can be merged with <<")
            top.merged.extend(sources)
            return
        if key in top.container:
            self.repeated.append((top.container, key))
        top.container[key] = value


def _key(value: Any, event: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise Refused(f"a key must be text{_where(event)}")


def _where(event: Any) -> str:
    mark = getattr(event, "start_mark", None)
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""


# -- scalars


def _resolve(event: Any) -> Any:
    text = _check_text(event.value)
    if event.tag is None or event.tag == "!":
        return _implicit(text, event) if event.implicit[0] and event.tag is None else text
    kind = _CORE.get(event.tag)
    if kind == "str":
        return text
    value = _implicit(text, event)
    expected = {"null": type(None), "bool": bool, "int": int, "float": float}.get(kind or "")
    if kind == "float" and type(value) is int:
        return float(value)
    if expected is None or type(value) is not expected:
        raise Refused(f"{text!r} cannot be read as {event.tag}{_where(event)}")
    return value


def _check_text(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused("text must not contain lone surrogates")
    return text


def _implicit(text: str, event: Any) -> Any:
    """What plain text without a tag stands for."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] in "-+.0123456789":
        if _INT.fullmatch(text):
            return _int(text, event)
        if _FLOAT.fullmatch(text):
            return _float(text, event)
    return text


def _int(text: str, event: Any) -> int | float:
    """A number that 64 bits cannot hold becomes a float, as in JSON."""
    plain = text.replace("_", "").lower()
    sign, digits = (-1, plain[1:]) if plain.startswith("-") else (1, plain.lstrip("+"))
    if re.fullmatch(r"0[0-7]+", digits):
        digits = "0o" + digits[1:]
    if len(digits) > 20 and digits[0] != "0":
        return sign * _float(digits, event)
    number = sign * int(digits, 0)
    if number.bit_length() > 1023:
        raise Refused(f"a number is too large{_where(event)}")
    return number if -(2**63) <= number < 2**64 else float(number)


def _float(text: str, event: Any) -> float:
    number = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise Refused(f"infinities and NaN have no JSON form{_where(event)}")
    return number
