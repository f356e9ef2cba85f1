"""StatefulSets and DaemonSets in the store, and an agent that does in an instant what agents do."""

from __future__ import annotations

from typing import Any

from controlplane.nodes import volumes as volume_reports
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds, meta, validation
from schema.kinds import Kind
from schema.session import VolumeReport
from tests.api.pump import Pump

Wire = dict[str, Any]


def template(image: str = "busybox:1", **spec: Any) -> Wire:
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(kind: Kind, name: str = "web", **spec: Any) -> Wire:
    """Created as the API does: with its defaults."""
    metadata = {"name": name, "namespace": "default"}
    selected = {"selector": {"matchLabels": {"app": "x"}}, "template": template()}
    wire = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": {**selected, **spec}}
    validation.default(kind, wire)
    assert validation.validate(kind, wire) == []
    return objects.create(kind, wire)


def update(kind: Kind, name: str = "web", **spec: Any) -> None:
    objects.mutate(kind, "default", name, lambda stored: {**stored, "spec": {**stored["spec"], **spec}})


def get(kind: Kind, name: str) -> Wire | None:
    try:
        return objects.get(kind, "default" if kind.namespaced else "", name)
    except NotFound:
        return None


def present(kind: Kind, name: str) -> Wire:
    found = get(kind, name)
    assert found is not None, f"there is no {kind.kind} {name}"
    return found


def pods() -> dict[str, Wire]:
    return {pod["metadata"]["name"]: pod for pod in objects.list_objects(kinds.POD, namespace="default").items}


def images() -> dict[str, str]:
    return {name: pod["spec"]["containers"][0]["image"] for name, pod in pods().items()}


def set_ready(name: str, ready: str = "True", phase: str = "Running") -> None:
    now = meta.format_time(meta.now())
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": now}]
    objects.mutate(
        kinds.POD,
        "default",
        name,
        lambda pod: {**pod, "status": {**pod["status"], "phase": phase, "conditions": conditions}},
        subresource="status",
    )


class Agents:
    """Start what is bound, end what is deleted, remove what is to be removed. ``broken`` images never become ready."""

    def __init__(self, pump: Pump) -> None:
        self.pump = pump
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        """Nodes that do nothing."""
        self.most_ending = 0

    def step(self) -> bool:
        """One thing for each pod, at most; whether there was any."""
        self.pump.settle()
        acted = False
        found = pods()
        self.most_ending = max(self.most_ending, sum("deletionTimestamp" in pod["metadata"] for pod in found.values()))
        for name, pod in found.items():
            if pod["spec"].get("nodeName") in (None, "", *self.silent):
                continue
            if "deletionTimestamp" in pod["metadata"]:
                acted |= objects.finish_deletion(kinds.POD, "default", name, pod["metadata"]["uid"])
            elif pod["status"]["phase"] == "Pending" and pod["spec"]["containers"][0]["image"] not in self.broken:
                set_ready(name)
                acted = True
            self.pump.settle()
        for volume in objects.list_objects(kinds.PERSISTENT_VOLUME).items:
            if objects.is_to_be_removed(volume):
                node = volume["spec"]["csi"]["volumeAttributes"]["node"]
                metadata = volume["metadata"]
                report = VolumeReport(name=metadata["name"], uid=metadata["uid"], removed=True)
                volume_reports.write([volume_reports.Spoken(node, report)])
                acted = True
        return acted

    def settle(self) -> None:
        for _ in range(100):
            if not self.step():
                return
        raise AssertionError("no rest")
