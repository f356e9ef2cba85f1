"""The examples run, all of them together in one instance: a manifest that users are told to try must not rot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from schema import kinds
from tests import images
from tests.cluster.instance import ROOT, Instance, condition, wait_for

EXAMPLES = ROOT / "examples"
Wire = dict[str, Any]
OWN = "localhost:5000/"
"""Images that users push themselves."""
SECONDS = 120.0


@pytest.fixture(scope="module")
def applied(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What kubectl said. The image that examples run is loaded as on a host without a network."""
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    images.busybox(flavour="docker").save_docker_archive(archive, "docker.io/library/busybox:1.36")
    load = [sys.executable, "-m", "nodeagent", "image", "load", str(archive), "--home", str(instance.home / "node")]
    subprocess.run(load, cwd=ROOT, check=True, capture_output=True)
    gone = ("--ignore-not-found", "--wait=false", "--force", "--grace-period=0")
    instance.kubectl("delete", "-R", "-f", str(EXAMPLES), *gone, timeout=120)  # of the same names, by other tests
    told = instance.kubectl("apply", "-f", str(EXAMPLES))
    try:
        assert told.returncode == 0, told.stderr
        yield told.stdout
    finally:
        instance.kubectl("delete", "-R", "-f", str(EXAMPLES), *gone, timeout=120)


def written(pattern: str = "*.yaml") -> list[Wire]:
    texts = (path.read_text() for path in sorted(EXAMPLES.glob(pattern)))
    return [wire for text in texts for wire in yaml.safe_load_all(text) if wire]


def path_of(wire: Wire) -> str:
    kind = kinds.by_kind(wire["apiVersion"], wire["kind"])
    assert kind is not None
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    namespace = f"/namespaces/{wire['metadata'].get('namespace', 'default')}" if kind.namespaced else ""
    return f"{root}{namespace}/{kind.plural}/{wire['metadata']['name']}"


def test_all_are_accepted_at_once(applied: str) -> None:
    verbs = Counter(line.rsplit(" ", 1)[1] for line in applied.splitlines())
    assert verbs == {"created": len(written())}


def is_ready(pod: Wire) -> bool:
    return condition(pod, "Ready") == "True" or pod["status"].get("phase") == "Succeeded"


def has_all(wire: Wire) -> bool:
    status = wire.get("status") or {}
    wanted = status.get("desiredNumberScheduled") if wire["kind"] == "DaemonSet" else wire["spec"].get("replicas", 1)
    ready = status.get("numberReady") if wire["kind"] == "DaemonSet" else status.get("readyReplicas")
    return status.get("observedGeneration") == wire["metadata"].get("generation") and bool(wanted) and ready == wanted


RUN: dict[str, Callable[[Wire], bool]] = {
    "Pod": is_ready,
    "Job": lambda job: condition(job, "Complete") == "True",
    "DaemonSet": has_all,
    "Deployment": has_all,
    "ReplicaSet": has_all,
    "ReplicationController": has_all,
    "StatefulSet": has_all,
}


@pytest.mark.usefixtures("applied")
def test_all_pods_run(instance: Instance) -> None:
    waiting = {path_of(wire): wire for wire in written() if wire["kind"] in RUN and OWN not in str(wire["spec"])}
    assert len(waiting) > len(RUN)

    def done() -> bool:
        for path in list(waiting):
            waiting[path] = instance.api.get(path).raise_for_status().json()
            if RUN[waiting[path]["kind"]](waiting[path]):
                del waiting[path]
        return not waiting

    try:
        wait_for("all examples run", done, seconds=SECONDS)
    except AssertionError as error:
        told = [instance.api.get(f"/apis/slipway.dev/v1{path.partition('/v1')[2]}/why").text for path in waiting]
        raise AssertionError(f"{error}: {told}") from None


COMPLETED = {"pod/picky", "secret/database", "statefulset.apps/member"}
"""kubectl sends their lists, or their stringData, again, as the server completed those when it stored them."""


def test_a_second_time_nothing_changes(applied: str, instance: Instance) -> None:
    """With the folders below, which then are all that is new."""
    names = {line.rsplit(" ", 1)[0] for line in applied.splitlines()}
    before = contents(instance)
    again = instance.kubectl("apply", "-R", "-f", str(EXAMPLES))
    assert again.returncode == 0, again.stderr
    said = dict(line.rsplit(" ", 1) for line in again.stdout.splitlines())
    assert {name: said[name] for name in names - COMPLETED} == dict.fromkeys(names - COMPLETED, "unchanged")
    assert {name for name, verb in said.items() if verb == "created"} == said.keys() - names != set()
    assert len(said) == len(written("**/*.yaml"))
    assert contents(instance) == before


def contents(instance: Instance) -> list[Wire]:
    names = sorted(COMPLETED)
    told = instance.kubectl("get", *names, "-o", "json").stdout
    return [{key: each.get(key) for key in ("spec", "data")} for each in json.loads(told)["items"]]
