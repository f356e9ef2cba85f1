"""``$(NAME)`` in commands, arguments and variables, as Kubernetes expands it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``$(NAME)`` becomes the variable's value, or stays as it is when there is none; ``$$`` becomes ``$``."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else variables.get(name, match.group(0))

    return _REFERENCE.sub(replacement, text)


def expand_all(texts: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    return [expand(text, variables) for text in texts]
