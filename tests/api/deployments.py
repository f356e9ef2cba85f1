"""Deployments and their like against the store, with a stand-in for nodes: pods become ready when the test says so."""

from __future__ import annotations

from typing import Any

from controlplane.store import objects
from controlplane.store.objects import Finish, Patch
from schema import kinds, meta
from tests.api.client import STRATEGIC, Api
from tests.api.cluster_objects import running
from tests.api.pump import Pump

Wire = dict[str, Any]
ROOT = "/apis/apps/v1/namespaces/default"


def deployment(
    name: str = "web", *, image: str = "app:1", metadata: Wire | None = None, pod: Wire | None = None, **spec: Any
):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": image, **(pod or {})}]},
            },
            **spec,
        },
    }


class Workloads:
    """What the tests do again and again."""

    def __init__(self, api: Api, pump: Pump) -> None:
        self.api, self.pump = api, pump

    def make(self, wire: Wire, path: str = f"{ROOT}/deployments") -> Wire:
        made = self.api.created(path, wire)
        self.pump.settle()
        return made

    def patch(self, change: Wire, name: str = "web", path: str = f"{ROOT}/deployments") -> Wire:
        code, answer = self.api.patch(f"{path}/{name}", change, media=STRATEGIC)
        assert code == 200, answer
        self.pump.settle()
        return dict(answer)

    def set_image(self, image: str) -> None:
        self.patch({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}})

    def deployment(self, name: str = "web") -> Wire:
        return objects.get(kinds.DEPLOYMENT, "default", name)

    def replica_sets(self) -> list[Wire]:
        found = objects.list_objects(kinds.REPLICA_SET, namespace="default").items
        return sorted(found, key=lambda each: int(each["metadata"].get("annotations", {}).get(REVISION, "0")))

    def sizes(self) -> dict[str, int]:
        """Replicas by image, of the ReplicaSets that have any."""
        return {
            image_of(each["spec"]["template"]): n for each in self.replica_sets() if (n := each["spec"]["replicas"])
        }

    def pods(self, *, leaving: bool = False) -> list[Wire]:
        found = objects.list_objects(kinds.POD, namespace="default").items
        return [pod for pod in found if ("deletionTimestamp" in pod["metadata"]) is leaving]

    def images(self) -> list[str]:
        return sorted(image_of(pod) for pod in self.pods())

    def make_ready(self, *, image: str = "", at_most: int = 10_000) -> int:
        """Pods become ready, and those that are on their way out end. Returns how many became ready."""
        waiting = [pod for pod in self.pods() if pod["status"].get("phase") == "Pending" and image in image_of(pod)]
        chosen = waiting[:at_most]
        objects.write_many([_status(pod, _ready()) for pod in chosen])
        self.end_leaving()
        self.pump.settle()
        return len(chosen)

    def set_status(self, pod: Wire, status: Wire) -> None:
        objects.write_many([_status(pod, status)])

    def end_leaving(self) -> None:
        for pod in self.pods(leaving=True):
            objects.write_many([Finish(kinds.POD, "default", pod["metadata"]["name"], pod["metadata"]["uid"])])
        self.pump.settle()

    def finish(self, *, passes: int = 60) -> None:
        """Let pods become ready until nothing more happens."""
        for _ in range(passes):
            before = objects.current_revision()
            self.make_ready()
            if objects.current_revision() == before:
                return
        raise AssertionError("it does not come to rest")


REVISION = "deployment.kubernetes.io/revision"


def image_of(template: Wire) -> str:
    return str(template["spec"]["containers"][0]["image"])


def _ready() -> Wire:
    status = running()
    for each in status["conditions"]:
        each["lastTransitionTime"] = meta.format_time(meta.now())
    return status


def _status(pod: Wire, status: Wire) -> Patch:
    metadata = pod["metadata"]
    return Patch(kinds.POD, "default", metadata["name"], lambda stored: {**stored, "status": status}, "status")
