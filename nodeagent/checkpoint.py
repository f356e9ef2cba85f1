"""What the agent must know after a restart without asking anybody: the pods it should run and what became of them so far,
and the ConfigMaps and Secrets they use. Secrets are in it because a container that ends must be startable while the control
plane is away; the file is readable by its owner only.

The file is two lines: the SHA-256 of the second, and the document. It is written whole to a draft, synced, and renamed, so a
crash leaves the old or the new one; a disk that lies is found out by the sum. A lost checkpoint costs little: what
runs is found in the runtime, and the control plane names the pods again.

Writing happens beside everything else: no start of a container waits for a disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from nodeagent.pods.context import Objects
from nodeagent.pods.record import Record
from nodeagent.pods.state import PodState
from schema.base import Wire

log = logging.getLogger(__name__)

VERSION = 1
RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class SavedPod:
    wire: Wire
    state: PodState
    removed: bool = False


@dataclass(frozen=True)
class SavedNode:
    boot_id: str = ""
    pod_cidr: str = ""
    cluster_cidr: str = ""


@dataclass(frozen=True)
class Saved:
    version: int = VERSION
    node: SavedNode = field(default_factory=SavedNode)
    pods: Sequence[SavedPod] = ()
    config_maps: Sequence[Wire] = ()
    secrets: Sequence[Wire] = field(default=(), repr=False)


_saved: TypeAdapter[Saved] = TypeAdapter(Saved)
_saved_pod: TypeAdapter[SavedPod] = TypeAdapter(SavedPod)


def load(path: Path) -> Saved | None:
    """None when there is none, or none that can be trusted; the latter is logged and the file set aside."""
    try:
        checksum, _, document = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(document).hexdigest().encode() != checksum:
        _set_aside(path, "it is damaged")
        return None
    try:
        saved = _saved.validate_json(document)
    except ValidationError as error:
        _set_aside(path, f"it cannot be read: {error.error_count()} errors")
        return None
    return replace(saved, pods=[replace(pod, state=_forget_the_passing(pod.state)) for pod in saved.pods])


def _set_aside(path: Path, why: str) -> None:
    log.error("checkpoint %s: %s; going on without, containers that run will be found", path, why)
    path.replace(path.with_suffix(".damaged"))


def _forget_the_passing(state: PodState) -> PodState:
    return replace(state, set_up=False, images=frozenset(), pulling=frozenset(), pull_message="", problem=None)


class Checkpoint:
    """Takes note of changes at once and writes them soon; `run` is the writer."""

    def __init__(self, path: Path, *, delay_seconds: float = 0.0) -> None:
        self._path = path
        self._delay = delay_seconds
        self._pods: dict[str, SavedPod] = {}
        self._encoded: dict[str, tuple[SavedPod, bytes]] = {}
        self._node = SavedNode()
        self._objects = Objects()
        self._dirty = asyncio.Event()
        self._failing = False

    def restore(self, saved: Saved) -> None:
        self._node = saved.node

    def pod_changed(self, record: Record) -> None:
        self._pods[record.uid] = SavedPod(record.wire, record.state, record.removed)
        self._dirty.set()

    def pod_gone(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._dirty.set()

    def objects_changed(self, objects: Objects) -> None:
        self._objects = objects
        self._dirty.set()

    def node_changed(self, node: SavedNode) -> None:
        self._node = node
        self._dirty.set()

    async def run(self) -> None:
        while True:
            await self._dirty.wait()
            if self._delay:
                await asyncio.sleep(self._delay)
            if not await self.write():
                await asyncio.sleep(RETRY_SECONDS)

    async def write(self) -> bool:
        """Write now. False where the disk refused (full, read-only): the agent goes on, and tries again later."""
        self._dirty.clear()
        pods = dict(self._pods)
        rest = (self._node, list(self._objects.config_maps.values()), list(self._objects.secrets.values()))
        try:
            await asyncio.to_thread(self._write, pods, *rest)
        except OSError as error:
            self._dirty.set()
            if not self._failing:
                log.error("checkpoint %s cannot be written: %s; it is tried again", self._path, error)
            self._failing = True
            return False
        if self._failing:
            log.info("checkpoint %s is written again", self._path)
        self._failing = False
        return True

    def _write(self, pods: dict[str, SavedPod], node: SavedNode, config_maps: list[Wire], secrets: list[Wire]) -> None:
        self._encoded = {uid: self._encode(uid, pod) for uid, pod in pods.items()}
        document = orjson.dumps(
            {
                "version": VERSION,
                "node": node,
                "pods": [orjson.Fragment(encoded) for _, encoded in self._encoded.values()],
                "config_maps": config_maps,
                "secrets": secrets,
            }
        )
        write_atomically(self._path, hashlib.sha256(document).hexdigest().encode() + b"\n" + document)

    def _encode(self, uid: str, pod: SavedPod) -> tuple[SavedPod, bytes]:
        known = self._encoded.get(uid)
        return known if known is not None and known[0] is pod else (pod, _saved_pod.dump_json(pod))


def write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
    draft.replace(path)
