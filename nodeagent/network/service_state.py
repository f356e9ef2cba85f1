"""What the kernel's service table holds: what one service contributes (`Program`), all of it (`State`), what differs (`Delta`),
and the transaction that makes it so (`script`). Pure.

The names of chains, sets and elements are `service_rules`' and `service_table`'s; here they are only names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")

Name = tuple[str, str]
"""Namespace and name of a service."""
Element = tuple[str, str]
"""(map or set, key)"""


@dataclass(frozen=True)
class UdpPort:
    """Where UDP clients may still be led to an endpoint that is gone: UDP has no end."""

    addresses: frozenset[str]
    """Of the service; empty for a node port: any."""
    port: int
    endpoints: frozenset[tuple[str, int]]
    version: int = 4
    """Of IP."""


@dataclass
class Program:
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Rules by the name of their chain."""
    sets: dict[str, str] = field(default_factory=dict)
    """Definitions by name."""
    elements: dict[Element, str] = field(default_factory=dict)
    """Value by key; empty in a set."""
    udp: list[UdpPort] = field(default_factory=list)
    local_endpoints: int = 0
    health_port: int = 0
    announced: list[str] = field(default_factory=list)
    """Addresses that this node answers for on its segment."""


@dataclass
class State:
    """What a table holds of services."""

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)
    elements: dict[Element, str] = field(default_factory=dict)

    def update(self, delta: Delta) -> None:
        _change(self.chains, delta.chains)
        _change(self.sets, delta.sets)
        _change(self.elements, delta.elements)


def _change(ours: dict[_K, _V], theirs: Mapping[_K, _V | None]) -> None:
    for key, value in theirs.items():
        if value is None:
            ours.pop(key, None)
        else:
            ours[key] = value


def _replace(ours: dict[_K, _V], before: Mapping[_K, _V], after: Mapping[_K, _V]) -> None:
    for key in before.keys() - after.keys():
        del ours[key]
    ours.update(after)


@dataclass
class Delta:
    """New values; None for what goes."""

    chains: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    sets: dict[str, str | None] = field(default_factory=dict)
    elements: dict[Element, str | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.chains or self.sets or self.elements)


def delta(old: State, new: State, touched: Touched | None = None) -> Delta:
    """Among ``touched``, or all."""
    if touched is None:
        touched = Touched()
        touched.include(old)
        touched.include(new)
    return Delta(
        {key: new.chains.get(key) for key in touched.chains if old.chains.get(key) != new.chains.get(key)},
        {key: new.sets.get(key) for key in touched.sets if old.sets.get(key) != new.sets.get(key)},
        {key: new.elements.get(key) for key in touched.elements if old.elements.get(key) != new.elements.get(key)},
    )


@dataclass
class Touched:
    """Names of what may be another now."""

    chains: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    elements: set[Element] = field(default_factory=set)

    def include(self, other: Program | State) -> None:
        self.chains |= other.chains.keys()
        self.sets |= other.sets.keys()
        self.elements |= other.elements.keys()


class Wanted:
    """All programs together. A change of one service costs what that service has, not what all have.

    Where two services claim one key (an external address with a port), the first by name has it.
    """

    def __init__(self) -> None:
        self.programs: dict[Name, Program] = {}
        self.state = State()
        self.touched = Touched()
        self._owners: dict[Element, Name] = {}

    def put(self, name: Name, program: Program | None) -> Program:
        """``program`` None: the service is gone. Returns what it was before."""
        before, after = self.programs.pop(name, Program()), program or Program()
        if program is not None:
            self.programs[name] = program
        for one in (before, after):
            self.touched.include(one)
        _replace(self.state.chains, before.chains, after.chains)
        _replace(self.state.sets, before.sets, after.sets)
        for element in before.elements.keys() - after.elements.keys():
            self._give_up(name, element)
        for element, value in after.elements.items():
            if self._owners.get(element, name) >= name:
                self._owners[element] = name
                self.state.elements[element] = value
        return before

    def owner(self, element: Element) -> Name | None:
        return self._owners.get(element)

    def _give_up(self, name: Name, element: Element) -> None:
        if self._owners.get(element) != name:
            return
        heir = min((other for other, one in self.programs.items() if element in one.elements), default=None)
        if heir is None:
            del self._owners[element], self.state.elements[element]
        else:
            self._owners[element] = heir
            self.state.elements[element] = self.programs[heir].elements[element]


def script(table: str, old: State, change: Delta, *, generation: int) -> str:
    """Makes ``change`` in a table that holds ``old``. What refers goes before what is referred to, and comes after it."""
    gone = sorted(name for name, rules in change.chains.items() if rules is None)
    lines = [
        f"add set inet {table} {name} {{ {definition} }}"
        for name, definition in change.sets.items()
        if definition is not None
    ]
    lines += [f"add chain inet {table} {name}" for name in change.chains.keys() - old.chains.keys() - set(gone)]
    lines += [f"flush chain inet {table} {name}" for name in change.chains.keys() & old.chains.keys()]
    for name, rules in change.chains.items():
        lines += [f"add rule inet {table} {name} {rule}" for rule in rules or ()]
    lines += _element_lines(table, old.elements, change.elements)
    lines += [f"delete chain inet {table} {name}" for name in gone]
    lines += [f"delete set inet {table} {name}" for name, definition in change.sets.items() if definition is None]
    lines += [f"flush set inet {table} generation", f"add element inet {table} generation {{ {generation:#x} }}"]
    return "\n".join(lines) + "\n"


def _element_lines(table: str, old: Mapping[Element, str], change: Mapping[Element, str | None]) -> Iterator[str]:
    gone: dict[str, list[str]] = {}
    come: dict[str, list[str]] = {}
    for (where, key), value in change.items():
        if (where, key) in old:
            gone.setdefault(where, []).append(key)
        if value is not None:
            come.setdefault(where, []).append(f"{key} : {value}" if value else key)
    for where, keys in gone.items():
        yield f"delete element inet {table} {where} {{ {', '.join(keys)} }}"
    for where, keys in come.items():
        yield f"add element inet {table} {where} {{ {', '.join(keys)} }}"
