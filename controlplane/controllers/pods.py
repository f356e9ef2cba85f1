"""Pods of workloads: made from a template, ready, available, and which go first. All but `owned_by` is pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from controlplane.controllers import ownership
from controlplane.controllers.configuration import references
from controlplane.controllers.plan import find
from controlplane.registry import pins
from controlplane.store import objects
from controlplane.store.kinds.pod import FINISHED
from schema import kinds, meta, validation
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import LabelSelector

SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5
_LONGEST_NAME = 63
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_ENDLESS = datetime(9999, 1, 1, tzinfo=meta.now().tzinfo)


# Making


def from_template(
    owner: Wire,
    template: Wire,
    name: str = "",
    *,
    labels: Wire | None = None,
    annotations: Wire | None = None,
    change: Callable[[Wire], None] | None = None,
) -> Wire:
    """A pod as the template says, controlled by the owner and with all defaults. ``labels`` and ``annotations`` are added;
    ``change`` may alter the spec in place. Copies of it under other names: `named`."""
    given = template.get("metadata") or {}
    metadata: dict[str, Any] = {"name": name, "namespace": owner["metadata"]["namespace"]}
    for key, more in (("labels", labels), ("annotations", annotations)):
        if both := {**(given.get(key) or {}), **(more or {})}:
            metadata[key] = both
    if given.get("finalizers"):
        metadata["finalizers"] = list(given["finalizers"])
    metadata["ownerReferences"] = [ownership.reference(owner)]
    pod: Wire = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy(template["spec"])}
    if others := references.pinned(template):
        pod["spec"] = references.rewritten(pod["spec"], others)
    pins.apply(template, pod["spec"])
    if change is not None:
        change(pod["spec"])
    validation.default(kinds.POD, pod)
    return pod


def named(pod: Wire, name: str) -> Wire:
    """The same pod under another name. Spec and labels are shared: whoever changes one takes a copy."""
    return {**pod, "metadata": {**pod["metadata"], "name": name}}


def copy(wire: Wire) -> Wire:
    copied: Wire = orjson.loads(orjson.dumps(wire))
    return copied


def names(owner: Wire, taken: Collection[str], count: int) -> list[str]:
    """Names for new children of an owner, as ``web-x7k2p``.

    They follow from the owner as it was read. So two passes that decide on the same state by mistake choose the same
    names, and the later one finds them taken (a lost race) instead of making a second set.
    """
    metadata = owner["metadata"]
    base = metadata["name"][: _LONGEST_NAME - SUFFIX_LENGTH - 1]
    seed = f"{metadata['uid']} {metadata.get('resourceVersion', '')}"
    chosen: dict[str, None] = {}
    attempt = 0
    while len(chosen) < count:
        name = f"{base}-{suffix(f'{seed} {attempt}')}"
        attempt += 1
        if name not in taken:
            chosen[name] = None
    return list(chosen)


def suffix(seed: str, length: int = SUFFIX_LENGTH) -> str:
    """Letters that follow from a seed; no vowels, so no words."""
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16])
    letters = []
    for _ in range(length):
        number, index = divmod(number, len(SUFFIX_LETTERS))
        letters.append(SUFFIX_LETTERS[index])
    return "".join(letters)


def template_hash(template: Wire, collisions: int = 0) -> str:
    """What tells templates apart: pod-template-hash. ``collisions`` is how often a name made of it was taken by another."""
    text = orjson.dumps(template, option=orjson.OPT_SORT_KEYS).decode()
    return suffix(f"{text} {collisions or ''}", 10)


# Looking


def is_finished(pod: Wire) -> bool:
    return (pod.get("status") or {}).get("phase") in FINISHED


def is_leaving(pod: Wire) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def is_active(pod: Wire) -> bool:
    """Counts for a workload: neither over nor on its way out."""
    return not is_finished(pod) and not is_leaving(pod)


def is_ready(pod: Wire) -> bool:
    return find(pod, "Ready").get("status") == "True"


def available_at(pod: Wire, min_ready_seconds: int) -> datetime | None:
    """When a ready pod is, or was first, available; None for one that is not ready."""
    condition = find(pod, "Ready")
    if condition.get("status") != "True":
        return None
    since = condition.get("lastTransitionTime")
    if not min_ready_seconds:
        return datetime.min.replace(tzinfo=_ENDLESS.tzinfo)
    return meta.parse_time(since) + timedelta(seconds=min_ready_seconds) if since else None


def is_available(pod: Wire, min_ready_seconds: int, now: datetime) -> bool:
    """Ready for at least so long."""
    moment = available_at(pod, min_ready_seconds)
    return moment is not None and moment <= now


def next_available(pods: Iterable[Wire], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next of the ready pods becomes available; None if none is waiting for that."""
    moments = (available_at(pod, min_ready_seconds) for pod in pods)
    later = [moment for moment in moments if moment is not None and moment > now]
    return (min(later) - now).total_seconds() if later else None


def restarts(pod: Wire) -> int:
    status = pod.get("status") or {}
    return sum(int(each.get("restartCount") or 0) for each in status.get("containerStatuses") or ())


# Ending


def by_deletion_rank(pods: Sequence[Wire]) -> list[Wire]:
    """Active pods, those that go first in front. As Kubernetes ranks them: without a node; pending before unknown before
    running; not ready; cheaper by pod-deletion-cost; on a node with more of the same; ready for less long; restarted more
    often; younger."""
    crowd: dict[str, int] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName") or ""
        crowd[node] = crowd.get(node, 0) + 1
    return sorted(pods, key=lambda pod: _rank(pod, crowd[pod["spec"].get("nodeName") or ""]))


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def _rank(pod: Wire, crowd: int) -> tuple[Any, ...]:
    status, metadata = pod.get("status") or {}, pod["metadata"]
    ready = is_ready(pod)
    return (
        bool(pod["spec"].get("nodeName")),
        _PHASES.get(status.get("phase") or "Pending", 2),
        ready,
        deletion_cost(pod),
        -crowd,
        _reversed(find(pod, "Ready").get("lastTransitionTime") or "") if ready else "",
        -restarts(pod),
        _reversed(metadata.get("creationTimestamp") or ""),
        metadata["name"],
    )


def deletion_cost(pod: Wire) -> int:
    """0 where it is not given, or is no number."""
    try:
        return int((pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _reversed(stamp: str) -> str:
    """Sorts times the other way round: the latest first, and an unknown one before all."""
    return "".join(chr(0x10FF - ord(letter)) for letter in stamp)


# Reading


def owned_by(owner: Wire, selector: LabelSelector, kind: Kind = kinds.POD) -> list[Wire]:
    """What an owner controls, whatever its labels, and what its selector matches: the candidates of `ownership.claim`."""
    namespace = owner["metadata"]["namespace"]
    found = {
        each["metadata"]["uid"]: each for each in objects.list_objects(kind, namespace=namespace, labels=selector).items
    }
    for each in objects.dependents_of(owner["metadata"]["uid"]):
        if (each["apiVersion"], each["kind"]) == (kind.api_version, kind.kind):
            found.setdefault(each["metadata"]["uid"], each)
    return [found[uid] for uid in sorted(found, key=lambda uid: found[uid]["metadata"]["name"])]
