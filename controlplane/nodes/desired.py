"""What one node should run, and what its agent has been told of it. Pure: no socket, no database.

Changes go in one by one, and `take` gives what the agent does not know yet as one `Update`. What waits is held once for
each object, its newest state only, so an agent that does not read costs no more than what it should run.

A change of nothing but a pod's status is not passed on: it is the agent's own word, come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from controlplane.nodes import references
from controlplane.nodes.cluster import certificates
from controlplane.nodes.cluster.world import Key, World
from schema.base import Wire
from schema.session import ObjectKey, Sync, Update, VolumeRemoval

CONFIG_MAP = "ConfigMap"
SECRET = "Secret"  # noqa: S105 - the name of a kind
VOLUME = "PersistentVolume"
"""Named by the claim that it is bound to."""
_OVER = frozenset({"Succeeded", "Failed"})


class Ref(NamedTuple):
    """A ConfigMap, a Secret, or the volume of a claim."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class _Known:
    namespace: str
    name: str
    refs: frozenset[Ref]
    print: tuple[Any, ...]
    """Changes when something changes that the agent must hear of."""


@dataclass
class _Waiting:
    """What the agent is to hear next."""

    pods: dict[str, Wire] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    objects: dict[Ref, Wire | None] = field(default_factory=dict)
    removals: dict[str, Wire] = field(default_factory=dict)
    """Deleted volumes whose directories the agent is to remove, by uid."""
    cluster: dict[Key, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pods or self.removed or self.objects or self.removals or self.cluster)


@dataclass(frozen=True)
class Interest:
    """Which objects the node has begun or ceased to need."""

    begun: frozenset[Ref]
    ceased: frozenset[Ref]


class Desired:
    def __init__(self, node: str, world: World | None = None) -> None:
        self.node = node
        self._world = world or World({})
        self.revision = 0
        self._pods: dict[str, _Known] = {}
        self._uses: Counter[Ref] = Counter()
        self._revisions: dict[Ref, int] = {}
        """Of each object in use, the newest revision seen; absent until it has been looked up."""
        self._waiting = _Waiting()
        self._certificates: frozenset[Ref] = frozenset()
        """Secrets in use that no pod asks for."""

    @property
    def refs(self) -> frozenset[Ref]:
        return frozenset(self._uses)

    def pod(self, uid: str) -> tuple[str, str] | None:
        """Namespace and name of a pod of this node."""
        known = self._pods.get(uid)
        return (known.namespace, known.name) if known else None

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    @property
    def missing(self) -> list[Ref]:
        """Objects in use that nobody has looked up yet."""
        return [ref for ref in self._uses if ref not in self._revisions]

    def load(self, pods: Iterable[Wire], revision: int) -> Interest:
        """Start over from the store's state at ``revision``."""
        before = self.refs
        self.revision = revision
        self._pods, self._uses, self._revisions, self._waiting = {}, Counter(), {}, _Waiting()
        for pod in pods:
            self._know(pod)
        self._certificates = self._wanted_certificates()
        self._uses.update(self._certificates)
        return Interest(self.refs - before, before - self.refs)

    def sync(self, pods: list[Wire]) -> Sync:
        """Everything, once the objects of `missing` have been `found`."""
        waiting, self._waiting = self._waiting, _Waiting()
        objects = waiting.objects
        return Sync(
            revision=self.revision,
            pods=pods,
            config_maps=[wire for ref, wire in objects.items() if wire and ref.kind == CONFIG_MAP],
            secrets=[wire for ref, wire in objects.items() if wire and ref.kind == SECRET],
            volumes=[wire for ref, wire in objects.items() if wire and ref.kind == VOLUME],
            volume_removals=_removals(waiting.removals),
            cluster=self._world.everything(),
        )

    def volume_to_remove(self, volume: Wire) -> None:
        """Said again it does no harm; the agent answers with a report."""
        self._waiting.removals[volume["metadata"]["uid"]] = volume

    def cluster_changed(self, key: Key) -> Interest | None:
        self._waiting.cluster[key] = None
        if key.kind not in certificates.DECIDE or (wanted := self._wanted_certificates()) == self._certificates:
            return None
        before = self.refs
        self._uses.subtract(self._certificates)
        self._uses.update(wanted)
        self._certificates = wanted
        return self._interest(before)

    def _wanted_certificates(self) -> frozenset[Ref]:
        return frozenset(Ref(SECRET, *name) for name in certificates.of_node(self._world, self.node))

    def pod_changed(self, pod: Wire, revision: int) -> Interest | None:
        if revision <= self.revision or (pod.get("spec") or {}).get("nodeName") != self.node:
            return None
        self.revision = revision
        uid = pod["metadata"]["uid"]
        before = self._pods.get(uid)
        if before is not None and before.print == _print(pod):
            return None
        self._waiting.pods[uid] = pod
        return self._replace(uid, pod)

    def pod_removed(self, uid: str, revision: int) -> Interest | None:
        if revision <= self.revision or uid not in self._pods:
            return None
        self.revision = revision
        self._waiting.pods.pop(uid, None)
        self._waiting.removed[uid] = None
        return self._replace(uid, None)

    def object_changed(self, ref: Ref, wire: Wire | None, revision: int) -> None:
        """``wire`` None: deleted. One that was looked up at a newer state keeps it."""
        if ref in self._uses and revision > self._revisions.get(ref, 0):
            self._revisions[ref] = revision
            self._waiting.objects[ref] = wire
            self.revision = max(self.revision, revision)

    def found(self, ref: Ref, wire: Wire | None) -> None:
        """The answer to `missing`. None: there is no such object, now."""
        revision = int(wire["metadata"]["resourceVersion"]) if wire else 0
        if ref in self._uses and revision >= self._revisions.get(ref, 0):
            self._revisions[ref] = revision
            if wire is not None:
                self._waiting.objects[ref] = wire

    def take(self) -> Update | None:
        """What the agent does not know yet; None if it knows everything."""
        waiting, self._waiting = self._waiting, _Waiting()
        if not waiting:
            return None
        gone = [ref for ref, wire in waiting.objects.items() if wire is None]
        cluster = {key: self._world.get(key) for key in waiting.cluster}
        return Update(
            revision=self.revision,
            pods=list(waiting.pods.values()),
            removed_pods=list(waiting.removed),
            config_maps=[wire for ref, wire in waiting.objects.items() if wire and ref.kind == CONFIG_MAP],
            removed_config_maps=[_key(ref) for ref in gone if ref.kind == CONFIG_MAP],
            secrets=[wire for ref, wire in waiting.objects.items() if wire and ref.kind == SECRET],
            removed_secrets=[_key(ref) for ref in gone if ref.kind == SECRET],
            volumes=[wire for ref, wire in waiting.objects.items() if wire and ref.kind == VOLUME],
            removed_volumes=[_key(ref) for ref in gone if ref.kind == VOLUME],
            volume_removals=_removals(waiting.removals),
            cluster=[wire for wire in cluster.values() if wire is not None],
            removed_cluster=[key.wire() for key, wire in cluster.items() if wire is None],
        )

    def _replace(self, uid: str, pod: Wire | None) -> Interest:
        before = self.refs
        known = self._pods.pop(uid, None)
        if known is not None:
            self._uses.subtract(known.refs)
        if pod is not None:
            self._know(pod)
        return self._interest(before)

    def _interest(self, before: frozenset[Ref]) -> Interest:
        self._uses = +self._uses
        ceased = before - self.refs
        for ref in ceased:
            # The node keeps no Secret that nothing on it uses any more.
            self._revisions.pop(ref, None)
            self._waiting.objects[ref] = None
        return Interest(self.refs - before, ceased)

    def _know(self, pod: Wire) -> None:
        metadata = pod["metadata"]
        refs = _refs(pod)
        self._pods[metadata["uid"]] = _Known(metadata["namespace"], metadata["name"], refs, _print(pod))
        self._uses.update(refs)


def _refs(pod: Wire) -> frozenset[Ref]:
    found = references.of_pod(pod)
    maps = {Ref(CONFIG_MAP, *key) for key in found.config_maps}
    secrets = {Ref(SECRET, *key) for key in found.secrets}
    return frozenset(maps | secrets | {Ref(VOLUME, *key) for key in found.claims})


def _removals(waiting: dict[str, Wire]) -> list[VolumeRemoval]:
    found = []
    for uid, volume in waiting.items():
        claim = volume["spec"].get("claimRef") or {}
        name = volume["metadata"]["name"]
        namespace = claim.get("namespace", "")
        found.append(VolumeRemoval(name=name, uid=uid, namespace=namespace, claim=claim.get("name", "")))
    return found


def _print(pod: Wire) -> tuple[Any, ...]:
    metadata = pod["metadata"]
    return (
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        metadata.get("deletionGracePeriodSeconds"),
        metadata.get("labels"),
        metadata.get("annotations"),
        ((pod.get("status") or {}).get("phase") or "") in _OVER,
        _gates(pod),
    )


def _gates(pod: Wire) -> dict[str, str]:
    """Conditions of others that the agent must know to say whether the pod is ready."""
    gates = {gate["conditionType"] for gate in pod.get("spec", {}).get("readinessGates") or ()}
    conditions = (pod.get("status") or {}).get("conditions") or () if gates else ()
    return {one["type"]: one["status"] for one in conditions if one["type"] in gates}


def _key(ref: Ref) -> ObjectKey:
    return ObjectKey(namespace=ref.namespace, name=ref.name)
