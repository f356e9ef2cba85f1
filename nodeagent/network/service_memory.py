"""What an agent has programmed of services, for the agent that comes after it.

``<run>/services.json`` holds a whole state, ``<run>/services.log`` one line for each change since, so that remembering a change
costs what the change is. A line that a crash cut short is not read; then the number in the table is another, and the table is
made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nodeagent.network.service_state import Delta, State
from schema.base import Wire

LONGEST_LOG = 1000
"""Changes after which a whole state is written again."""


@dataclass(frozen=True)
class Remembered:
    base: str
    """The script of the table without services: which settings and which version of us it is of."""
    generation: int
    state: State
    announced: frozenset[str]


class Memory:
    """Blocking, for a thread."""

    def __init__(self, directory: Path) -> None:
        self._whole, self._log = directory / "services.json", directory / "services.log"
        self._changes = 0

    @property
    def is_long(self) -> bool:
        return self._changes >= LONGEST_LOG

    def save(self, remembered: Remembered) -> None:
        state = remembered.state
        fields = {
            "base": remembered.base,
            "generation": remembered.generation,
            "announced": sorted(remembered.announced),
            **_encode(state.chains, state.sets, state.elements),
        }
        self._whole.parent.mkdir(parents=True, exist_ok=True)
        draft = self._whole.with_suffix(".draft")
        draft.write_bytes(orjson.dumps(fields))
        self._log.unlink(missing_ok=True)  # first: its changes are none of the new state's
        draft.replace(self._whole)
        self._changes = 0

    def append(self, generation: int, change: Delta) -> None:
        line = {"generation": generation, **_encode(change.chains, change.sets, change.elements)}
        with self._log.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
        self._changes += 1

    def load(self) -> Remembered | None:
        """None where nothing whole is there."""
        try:
            fields: Any = orjson.loads(self._whole.read_bytes())
            state, generation = State(), int(fields["generation"])
            state.update(_decode(fields))
            for line in self._lines():
                state.update(_decode(line))
                generation = int(line["generation"])
                self._changes += 1
            return Remembered(fields["base"], generation, state, frozenset(fields["announced"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _lines(self) -> Iterator[Wire]:
        try:
            data = self._log.read_bytes()
        except FileNotFoundError:
            return
        for line in data.split(b"\n")[:-1]:
            yield orjson.loads(line)

    def forget(self) -> None:
        for path in (self._whole, self._log):
            path.unlink(missing_ok=True)


def _encode(chains: Any, sets: Any, elements: Any) -> Wire:
    return {
        "chains": chains,
        "sets": sets,
        "elements": [[*element, value] for element, value in elements.items()],
    }


def _decode(fields: Wire) -> Delta:
    chains = {name: None if rules is None else tuple(rules) for name, rules in fields["chains"].items()}
    return Delta(chains, fields["sets"], {(where, key): value for where, key, value in fields["elements"]})
