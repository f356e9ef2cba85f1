"""What an agent needs to go on after its own death: desired pods with what became of them, and the objects they refer to.

One small file per pod, so that a change costs the same however many pods there are:

    <home>/checkpoint/node.json           the node's address ranges, the host's boot
    <home>/checkpoint/objects.json        ConfigMaps and Secrets in use
    <home>/checkpoint/cluster.json        what is known of the whole cluster
    <home>/checkpoint/pods/<uid>.json     the pod as desired, and its `PodState`

Secrets are in there because a container must be restarted without a control plane; the directory is its owner's only.
Each file is written beside its place, synchronised and renamed: it is the old one or the new one. Writing happens in a
thread behind the workers' backs, so it costs a start nothing; what a crash loses is found again by adoption, because
containers are named by pod and attempt. A full disk is logged and tried again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from nodeagent.pods.context import Objects
from nodeagent.pods.record import Record
from nodeagent.pods.state import PodState
from schema.base import Wire
from schema.core.pod import Pod

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_state: TypeAdapter[PodState] = TypeAdapter(PodState)
_MEMORY_ONLY: dict[str, Any] = {
    "set_up": False,
    "problem": None,
    "images": frozenset(),
    "pulling": frozenset(),
    "pull_messages": {},
}


@dataclass(frozen=True)
class NodeFacts:
    boot_id: str = ""
    pod_cidrs: Sequence[str] = ()
    cluster_cidrs: Sequence[str] = ()
    heartbeat_seconds: float = 5.0


def encode_pod(wire: Wire, state: PodState) -> bytes:
    return b'{"pod":%b,"state":%b}' % (orjson.dumps(wire), _state.dump_json(replace(state, **_MEMORY_ONLY)))


def decode_pod(data: bytes) -> tuple[Wire, PodState]:
    """Raises ValueError."""
    whole = orjson.loads(data)
    return whole["pod"], _state.validate_python(whole["state"], strict=False)


def parse_cluster(data: bytes) -> list[Wire] | None:
    try:
        stored = orjson.loads(data)
        return [wire for wire in stored["objects"] if wire["kind"] and wire["metadata"]["name"]]
    except (KeyError, TypeError, ValueError):
        return None


def cluster_of(home: Path) -> list[Wire]:
    """What the agent with this home was told last of the cluster. For those who only look."""
    try:
        return parse_cluster((home / "checkpoint" / "cluster.json").read_bytes()) or []
    except OSError:
        return []


class Checkpoint:
    def __init__(self, home: Path) -> None:
        self._directory = home / "checkpoint"
        self._pods = self._directory / "pods"
        self._pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)
        self._dirty: dict[Path, Callable[[], bytes] | None] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    # Reading, at the start

    def node(self) -> NodeFacts:
        try:
            return NodeFacts(**orjson.loads(self._read(self._directory / "node.json")))
        except (TypeError, ValueError):
            return NodeFacts()

    def objects(self) -> Objects:
        try:
            stored = orjson.loads(self._read(self._directory / "objects.json"))
            volumes = keyed_by_claim(stored.get("volumes") or [])
            return Objects(_keyed(stored["configMaps"]), _keyed(stored["secrets"]), volumes)
        except (KeyError, TypeError, ValueError):
            return Objects()

    def cluster(self) -> list[Wire] | None:
        """None: nothing has ever been said."""
        return parse_cluster(self._read(self._directory / "cluster.json"))

    def records(self) -> list[Record]:
        found = []
        for path in sorted(self._pods.glob("*.json")):
            try:
                wire, state = decode_pod(self._read(path))
                found.append(Record(wire, Pod.parse(wire), state))
            except (KeyError, TypeError, ValueError, ValidationError) as error:
                # Not ours any more to make sense of; the control plane sends the pod again, adoption finds its containers.
                log.warning("%s cannot be read and is left out: %s", path, error)
                path.unlink(missing_ok=True)
        return found

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b"{}"

    # Writing, behind the scenes

    def save_node(self, facts: NodeFacts) -> None:
        self._put(self._directory / "node.json", lambda: orjson.dumps(asdict(facts)))

    def save_objects(self, objects: Objects) -> None:
        whole = {
            "configMaps": list(objects.config_maps.values()),
            "secrets": list(objects.secrets.values()),
            "volumes": list(objects.volumes.values()),
        }
        self._put(self._directory / "objects.json", lambda: orjson.dumps(whole))

    def save_cluster(self, wires: list[Wire]) -> None:
        self._put(self._directory / "cluster.json", lambda: orjson.dumps({"objects": wires}))

    def save(self, record: Record) -> None:
        wire, state = record.wire, record.state
        self._put(self._pods / f"{record.uid}.json", lambda: encode_pod(wire, state))

    def forget(self, uid: str) -> None:
        self._put(self._pods / f"{uid}.json", None)

    def _put(self, path: Path, content: Callable[[], bytes] | None) -> None:
        self._dirty[path] = content
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Writes what is dirty, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._dirty = self._dirty, {}
            try:
                await asyncio.to_thread(_write_all, batch)
            except OSError as error:
                log.warning("the checkpoint could not be written, trying again: %s", error)
                self._dirty = {**batch, **self._dirty}
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()
            if not self._dirty:
                self._idle.set()

    async def flushed(self, seconds: float) -> None:
        """Wait until everything is on disk, but no longer than that."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("the agent ends with its checkpoint unwritten; what runs will be found by adoption")


def _keyed(wires: list[Wire]) -> dict[tuple[str, str], Wire]:
    return {(wire["metadata"]["namespace"], wire["metadata"]["name"]): wire for wire in wires}


def keyed_by_claim(volumes: list[Wire]) -> dict[tuple[str, str], Wire]:
    """PersistentVolumes by namespace and name of the claim that they are bound to."""
    claims = [(volume["spec"]["claimRef"], volume) for volume in volumes]
    return {(claim["namespace"], claim["name"]): volume for claim, volume in claims}


def _write_all(batch: dict[Path, Callable[[], bytes] | None]) -> None:
    for path, content in batch.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, content())


def _write(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.rename(path)
