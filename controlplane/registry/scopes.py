"""What clients ask the token service for: ``repository:default/app:pull,push``, ``registry:catalog:*``. Pure.

distribution's token scope grammar: several come as repeated parameters, or in one with spaces between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controlplane.registry.errors import BadScope

PULL, PUSH, DELETE = "pull", "push", "delete"
ACTIONS = (PULL, PUSH, DELETE)
_MOST = 50
_LONGEST = 4096


@dataclass(frozen=True)
class Scope:
    type: str
    name: str
    actions: tuple[str, ...]

    def wire(self) -> dict[str, object]:
        return {"type": self.type, "name": self.name, "actions": list(self.actions)}

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


def parse(parameters: Iterable[str]) -> list[Scope]:
    """Raises `BadScope`. The same repository named twice is one scope."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    words = [word for parameter in parameters for word in parameter.split()]
    if len(words) > _MOST:
        raise BadScope(f"scope: at most {_MOST} at once")
    for word in words:
        one = _read(word)
        found.setdefault((one.type, one.name), {}).update(dict.fromkeys(one.actions))
    return [Scope(type_, name, tuple(actions)) for (type_, name), actions in found.items()]


def _read(word: str) -> Scope:
    type_, first, rest = word.partition(":")
    name, second, actions = rest.rpartition(":")
    if not (type_ and first and second and name and actions) or len(word) > _LONGEST:
        raise BadScope(f"scope: {word[:200]!r} is not type:name:actions")
    type_ = type_.partition("(")[0]  # repository(plugin), which means no other right
    wanted = [each for each in actions.split(",") if each]
    if type_ == "repository" and "*" in wanted:
        wanted = list(ACTIONS)
    return Scope(type_, name, tuple(dict.fromkeys(wanted)))
