"""What an agent needs to go on after its own death: desired pods with what became of them, and the objects they refer to.

One small file per pod, so that a change costs the same however many pods there are:

    <home>/checkpoint/node.json           the node's address ranges, the host's boot
    <home>/checkpoint/objects.json        ConfigMaps and Secrets in use
    <home>/checkpoint/cluster.json        what is known of the whole cluster
    <home>/checkpoint/cluster.<n>.log     what became known after that: a line for each change, as it came
    <home>/checkpoint/pods/<uid>.json     the pod as desired, and its `PodState`

Secrets are in there because a container must be restarted without a control plane; the directory is its owner's only.
Each file is written beside its place, synchronised and renamed: it is the old one or the new one. Writing happens in a
thread behind the workers' backs, so it costs a start nothing; what a crash loses is found again by adoption, because
containers are named by pod and attempt. A full disk is logged and tried again.

Of the cluster nothing may be lost with the process, because rules in the kernel were made by it. So each change is appended
before it is acted on. That is not synchronised: with the host the kernel's rules are gone, too.
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

from nodeagent.config import of_this_release
from nodeagent.keys import Key
from nodeagent.pods.context import Objects
from nodeagent.pods.record import Record
from nodeagent.pods.state import PodState
from schema.base import Wire
from schema.core.pod import Pod

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
_state: TypeAdapter[PodState] = TypeAdapter(PodState)
_NOTHING = b"{}"
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


def cluster_of(home: Path) -> list[Wire]:
    """What the agent with this home was told last of the cluster. For those who only look."""
    try:
        return _read_cluster(home / "checkpoint") or []
    except OSError:
        return []


def _read_cluster(directory: Path) -> list[Wire] | None:
    """None: nothing has ever been said, or what was cannot be read. Raises OSError."""
    whole, logs = _read(directory / "cluster.json"), _logs(directory)
    if whole == _NOTHING and not logs:
        return None
    try:
        stored = {"objects": []} if whole == _NOTHING else orjson.loads(whole)
        objects = {_key(wire): wire for wire in stored["objects"]}
        covered = int(stored.get("covers", -1))
    except (KeyError, TypeError, ValueError):
        return None
    for number in logs:
        if number > covered:
            for line in _read(_log(directory, number)).splitlines():
                _replay(line, objects)
    return list(objects.values())


def _replay(line: bytes, objects: dict[Key, Wire]) -> None:
    try:
        told = orjson.loads(line)
        changed = {_key(wire): wire for wire in told["changed"]}
        gone = [Key(*each) for each in told["gone"]]
    except (KeyError, TypeError, ValueError):
        return  # the end of what a process wrote that was killed, or found the disk full
    objects.update(changed)
    for key in gone:
        objects.pop(key, None)


def _key(wire: Wire) -> Key:
    metadata = wire["metadata"]
    return Key(wire["kind"], metadata.get("namespace", ""), metadata["name"])


def _log(directory: Path, number: int) -> Path:
    return directory / f"cluster.{number}.log"


def _logs(directory: Path) -> list[int]:
    found = (path.name.split(".")[1] for path in directory.glob("cluster.*.log"))
    return sorted(int(number) for number in found if number.isdecimal())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return _NOTHING


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
        self._number = max(_logs(self._directory), default=-1) + 1
        """Of the log that is being written."""

    # Reading, at the start

    def node(self) -> NodeFacts:
        try:
            return NodeFacts(**of_this_release(NodeFacts, orjson.loads(_read(self._directory / "node.json"))))
        except (TypeError, ValueError, AttributeError):
            return NodeFacts()

    def objects(self) -> Objects:
        try:
            stored = orjson.loads(_read(self._directory / "objects.json"))
            volumes = keyed_by_claim(stored.get("volumes") or [])
            return Objects(_keyed(stored["configMaps"]), _keyed(stored["secrets"]), volumes)
        except (KeyError, TypeError, ValueError):
            return Objects()

    def cluster(self) -> list[Wire] | None:
        """None: nothing has ever been said."""
        return _read_cluster(self._directory)

    def records(self) -> list[Record]:
        found = []
        for path in sorted(self._pods.glob("*.json")):
            try:
                wire, state = decode_pod(_read(path))
                found.append(Record(wire, Pod.parse(wire), state))
            except (KeyError, TypeError, ValueError, ValidationError) as error:
                # Not ours any more to make sense of; the control plane sends the pod again, adoption finds its containers.
                log.warning("%s cannot be read and is left out: %s", path, error)
                path.unlink(missing_ok=True)
        return found

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
        """All of it, in the place of what has been noted until now."""
        covered, self._number = self._number, self._number + 1
        # What waits is written in the order in which it came: the whole, and then the end of the logs that it covers.
        self._put(self._directory / "cluster.json", lambda: orjson.dumps({"objects": wires, "covers": covered}))
        for number in _logs(self._directory):
            if number <= covered:
                self._put(_log(self._directory, number), None)

    def note_cluster(self, changed: Sequence[Wire], gone: Sequence[Key]) -> None:
        """At once, so that the death of this process loses nothing."""
        line = orjson.dumps({"changed": changed, "gone": [tuple(key) for key in gone]})
        try:
            descriptor = os.open(
                _log(self._directory, self._number), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            try:
                # A line begins with its end: what was written by halves before it spoils nothing.
                os.write(descriptor, b"\n" + line)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("what changed in the cluster could not be noted: %s", error)

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
