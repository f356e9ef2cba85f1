"""Every example runs: a manifest that users are told to try must not rot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schema import kinds
from tests import images
from tests.cluster.instance import ROOT, Instance

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
Wire = dict[str, Any]


@pytest.fixture(scope="module")
def _busybox(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The image that examples run, loaded as on a host without a network."""
    archive = tmp_path_factory.mktemp("image") / "busybox.tar"
    images.busybox(flavour="docker").save_docker_archive(archive, "docker.io/library/busybox:1.36")
    load = [sys.executable, "-m", "nodeagent", "image", "load", str(archive), "--home", str(instance.home / "node")]
    subprocess.run(load, cwd=ROOT, check=True, capture_output=True)


def path_of(wire: Wire) -> str:
    """Of the collection that the object belongs to."""
    kind = kinds.by_kind(wire["apiVersion"], wire["kind"])
    assert kind is not None
    namespace = f"/namespaces/{wire['metadata'].get('namespace', 'default')}" if kind.namespaced else ""
    return f"/{root_of(kind)}{namespace}/{kind.plural}"


def root_of(kind: kinds.Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


@pytest.mark.usefixtures("_busybox")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_accepted_and_its_pods_run(instance: Instance, path: Path) -> None:
    wires = [wire for wire in yaml.safe_load_all(path.read_text()) if wire]
    made: list[str] = []
    try:
        for wire in wires:
            answer = instance.api.post(path_of(wire), json=wire, params={"fieldValidation": "Strict"})
            assert answer.status_code == 201, answer.text
            made.append(f"{path_of(wire)}/{answer.json()['metadata']['name']}")
        for wire in wires:
            if wire["kind"] == "Pod" and not _wants_labels(wire):
                name, namespace = wire["metadata"]["name"], wire["metadata"].get("namespace", "default")
                instance.wait_pod(
                    name,
                    "runs or is done",
                    lambda pod: (pod.get("status") or {}).get("phase") in {"Running", "Succeeded"},
                    namespace=namespace,
                )
    finally:
        for created in reversed(made):
            instance.api.delete(created, params={"gracePeriodSeconds": 0})


def _wants_labels(wire: Wire) -> bool:
    """A pod that is for a particular node, which a single unlabelled one is not."""
    return bool(wire["spec"].get("nodeSelector") or wire["spec"].get("affinity"))
