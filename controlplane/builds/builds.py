"""What the API and the nodes' addresses need to know of a build."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.builds import contexts
from controlplane.builds.contexts import State
from controlplane.controllers.ownership import controller_of
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds, meta
from schema.base import Wire
from schema.slipway.building import ENDED, pod_name


def wants_upload(build: Wire) -> bool:
    return bool(((build.get("spec") or {}).get("context") or {}).get("upload"))


def has_context(build: Wire) -> bool:
    return bool(((build.get("status") or {}).get("context") or {}).get("digest"))


def note_context(namespace: str, name: str, uid: str, digest: str) -> None:
    """The context is whole: the controller may go on."""
    size = contexts.state(uid).received
    came: Wire = {"digest": digest, "sizeBytes": size, "receivedAt": meta.format_time(meta.now())}

    def change(stored: Wire) -> Wire | None:
        if stored["metadata"]["uid"] != uid:
            return None
        return {**stored, "status": {**(stored.get("status") or {}), "context": came}}

    objects.mutate(kinds.BUILD, namespace, name, change, subresource="status")


def of_pod(node: str, namespace: str, name: str, attempt: int) -> Wire | None:
    """The build that a node may speak of: its pod for that attempt is bound to the node, and is the build's own."""
    try:
        build = objects.get(kinds.BUILD, namespace, name)
        pod = objects.get(kinds.POD, namespace, pod_name(name, attempt))
    except NotFound:
        return None
    owner = controller_of(pod)
    ours = owner is not None and owner["uid"] == build["metadata"]["uid"] and owner["kind"] == kinds.BUILD.kind
    return build if ours and _is_plain(pod) and pod["spec"].get("nodeName") == node else None


_PLAIN = frozenset(
    (
        "name",
        "image",
        "imagePullPolicy",
        "resources",
        "volumeMounts",
        "terminationMessagePath",
        "terminationMessagePolicy",
    )
)


def _is_plain(pod: Wire) -> bool:
    """As the controller makes them: one container, without commands of its own (hooks, probes) for the builder to run."""
    spec = pod["spec"]
    containers = spec.get("containers") or []
    others = spec.get("initContainers") or spec.get("ephemeralContainers")
    return len(containers) == 1 and not others and containers[0].keys() <= _PLAIN and not spec.get("hostPID")


PROGRESS = ("steps", "sources", "image", "digest", "imageID", "tags", "sizeBytes", "warnings", "failure")
"""Fields of the status that the node which builds writes."""


def write_progress(build: Wire, attempt: int, told: Wire) -> None:
    """What the node says while it builds replaces what it said before; after the attempt's end it only adds."""
    metadata = build["metadata"]

    def change(stored: Wire) -> Wire | None:
        status = stored.get("status") or {}
        if stored["metadata"]["uid"] != metadata["uid"] or status.get("attempt") != attempt:
            return None
        merged = _merged(status, {name: told[name] for name in PROGRESS if told.get(name)})
        return None if merged == status else {**stored, "status": merged}

    objects.mutate(kinds.BUILD, metadata["namespace"], metadata["name"], change, subresource="status")


def _merged(status: Wire, told: Wire) -> Wire:
    """The controller ends an attempt by the last word of its pod, which may come before what was said earlier: the result and
    the failure that it wrote stay, and the steps are what the node says last."""
    if status.get("phase") not in ENDED:
        return {**{name: value for name, value in status.items() if name not in PROGRESS}, **told}
    added = {name: value for name, value in told.items() if name != "failure"}
    steps = added.get("steps") or ()
    newer = steps and len(steps) >= len(status.get("steps") or ())
    return {**added, **status, **({"steps": ended_steps(steps)} if newer else {})}


def ended_steps(steps: Sequence[Wire]) -> list[Wire]:
    """Of an attempt that is over: what was running then has failed with it."""
    return [{**step, "state": "Failed"} if step.get("state") == "Running" else step for step in steps]


def sweep() -> None:
    """Drop the contexts of builds that are gone. The directories are listed first: a build that comes meanwhile is safe."""
    found = contexts.present()
    if found:
        known = {build["metadata"]["uid"] for build in objects.list_objects(kinds.BUILD).items}
        contexts.drop(set(found) - known)


def upload_state(build: Wire) -> tuple[State, Wire]:
    """For the sender: how much is here."""
    state = contexts.state(build["metadata"]["uid"])
    return state, {"received": state.received, "complete": has_context(build)}
