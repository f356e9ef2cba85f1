"""Everything that one pod worker holds. It outlives the worker's task, so that a worker that fell over goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.facilities import Exit, Image, Sandbox
from nodeagent.pods import transitions
from nodeagent.pods.state import PodState
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod


@dataclass
class Record:
    wire: Wire
    """The desired pod as it came."""
    pod: Pod
    state: PodState
    removed: bool = False
    """The object is gone from the control plane: what is left is to be ended at once."""

    # In memory only.
    exits: list[Exit] = field(default_factory=list)
    """Ends that the worker has not looked at yet."""
    refresh: bool = False
    """Objects that volumes are made from have changed."""
    images: dict[str, Image] = field(default_factory=dict)
    """By container, for its next start."""
    volumes: Mapping[str, Path] = field(default_factory=dict)
    sandbox: Sandbox | None = None
    shown: Wire | None = None
    """The status that was last reported."""
    saved: PodState | None = None
    """The state that was last given to the checkpoint."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid or ""

    @property
    def namespace(self) -> str:
        return self.pod.metadata.namespace or ""

    @property
    def name(self) -> str:
        return self.pod.metadata.name or ""

    def container(self, name: str) -> Container:
        container = transitions.container(self.pod, name)
        if container is None:
            raise KeyError(name)
        return container

    def desire(self, wire: Wire) -> None:
        self.wire, self.pod = wire, Pod.parse(wire)
        self.wake.set()

    def names(self) -> list[str]:
        return transitions.names(self.pod)
