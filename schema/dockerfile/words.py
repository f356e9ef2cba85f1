"""Words, quotes and variables of a Dockerfile line, as BuildKit reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])(.*))?\}", re.DOTALL)


def split(text: str, escape: str = "\\") -> list[str]:
    """Words between spaces, quotes and escapes kept as they are written."""
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        letter = text[position]
        if letter == escape and quote != "'" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            continue
        if letter in "'\"":
            quote = "" if quote == letter else quote or letter
        if letter.isspace() and not quote:
            if word:
                words.append(word)
            word = ""
        else:
            word += letter
        position += 1
    return [*words, word] if word else words


def json_array(text: str) -> list[str] | None:
    """The strings of the exec form; None where the text is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else None


class Unknown(KeyError):
    """A variable whose value nobody here knows."""


def expand(
    text: str, values: Mapping[str, str], escape: str = "\\", *, strict: bool = False, quotes: bool = True
) -> str:
    """Quotes taken off and variables put in: ``$a``, ``${a}``, ``${a:-b}``, ``${a:+b}``. Unknown ones are empty, or with
    ``strict`` raise `Unknown`. Without ``quotes`` these are letters like others (as in heredocs)."""
    out, quote, position = "", "", 0
    while position < len(text):
        letter = text[position]
        if letter == escape and quote != "'" and position + 1 < len(text):
            following = text[position + 1]
            kept = quote == '"' and following not in '"$' + escape
            out += letter + following if kept or (not quotes and following not in "$" + escape) else following
            position += 2
        elif quotes and letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
            position += 1
        elif letter == "$" and quote != "'":
            value, position = _variable(text, position + 1, values, escape, strict=strict)
            out += value
        else:
            out += letter
            position += 1
    return out


def _variable(text: str, start: int, values: Mapping[str, str], escape: str, *, strict: bool) -> tuple[str, int]:
    """The value at ``start``, just after the dollar, and where the text goes on."""
    if text[start : start + 1] == "{":
        end = _closing(text, start)
        found = _BRACED.fullmatch(text[start:end])
        if found is None:
            return "$" + text[start:end], end
        name, operator, word = found.groups()
        return _operated(name, operator or "", word or "", values, escape, strict=strict), end
    plain = _NAME.match(text, start)
    if plain is None:
        return "$", start
    return _value(plain[0], values, strict=strict), plain.end()


def _operated(name: str, operator: str, word: str, values: Mapping[str, str], escape: str, *, strict: bool) -> str:
    if not operator or operator.endswith("?"):
        return _value(name, values, strict=strict)
    known = bool(values.get(name)) if operator.startswith(":") else name in values
    if operator.endswith("-"):
        return values[name] if known else expand(word, values, escape, strict=strict)
    return expand(word, values, escape, strict=strict) if known else ""


def _value(name: str, values: Mapping[str, str], *, strict: bool) -> str:
    if strict and name not in values:
        raise Unknown(name)
    return values.get(name, "")


def _closing(text: str, start: int) -> int:
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return len(text)


def pairs(text: str, escape: str = "\\") -> list[tuple[str, str]] | None:
    """Of ENV and LABEL: ``a=b c=d``, or ``a b`` of old. Values as written. None where it is neither."""
    words = split(text, escape)
    if words and "=" not in words[0]:
        name, _, rest = text.strip().partition(" ")
        return [(name, rest.strip())] if rest.strip() else None
    if not words or any("=" not in word or word.startswith("=") for word in words):
        return None
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]
