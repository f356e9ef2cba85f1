"""Names and places of what a pod has on this node. Pure: paths are made, not touched."""

from __future__ import annotations

import hashlib
from pathlib import Path

from schema.core.pod import Pod

_NAME_LENGTH = 32
"""Container names are cut to this inside ids: conmon's attach socket must fit the 108 bytes of a unix path."""


def container_id(pod_uid: str, name: str, attempt: int) -> str:
    """``<pod uid>-<container>-<attempt>``: the same for the same three, so a rerun after a crash finds its own work."""
    return f"{pod_uid}-{_short(name)}-{attempt}"


def holder_id(pod_uid: str) -> str:
    """Of the container that holds the pod's process namespace (`pods.processes`); without an attempt, it is nobody else's."""
    return f"{pod_uid}-holder"


def attempt_of(pod_uid: str, name: str, identifier: str) -> int | None:
    """Which attempt of this container the id means; None when it is not one of its ids."""
    prefix = f"{pod_uid}-{_short(name)}-"
    rest = identifier.removeprefix(prefix)
    return int(rest) if rest != identifier and rest.isdecimal() else None


def _short(name: str) -> str:
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{name[: _NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def pod_key(pod: Pod) -> str:
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def full_name(pod: Pod) -> str:
    """``name_namespace(uid)``: how Kubernetes' messages call a pod."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def field_path(pod: Pod, name: str) -> str:
    """Of a container, for events: ``spec.containers{web}``."""
    if any(init.name == name for init in pod.spec.init_containers):
        kind = "initContainers"
    elif any(debugger.name == name for debugger in pod.spec.ephemeral_containers):
        kind = "ephemeralContainers"
    else:
        kind = "containers"
    return f"spec.{kind}{{{name}}}"


def pod_dir(home: Path, pod_uid: str) -> Path:
    return home / "pods" / pod_uid


def log_dir(home: Path, pod_uid: str, name: str) -> Path:
    return pod_dir(home, pod_uid) / "logs" / name


def log_path(home: Path, pod_uid: str, name: str, attempt: int) -> Path:
    return log_dir(home, pod_uid, name) / f"{attempt}.log"


def termination_path(home: Path, pod_uid: str, name: str, attempt: int) -> Path:
    """The file that is bound to the container's terminationMessagePath."""
    return pod_dir(home, pod_uid) / "termination" / f"{name}-{attempt}"


def bundle_dir(run_dir: Path, identifier: str) -> Path:
    return run_dir / "containers" / identifier
