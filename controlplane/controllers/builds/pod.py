"""The pod of a build. Pure.

What it shall build is not in the pod: its node asks for that, by the image, and takes nothing from the pod but resources,
Secrets and network. A pod that somebody else makes in its place therefore builds the same.
"""

from __future__ import annotations

from typing import Any

from controlplane.controllers.ownership import reference
from schema.base import Wire
from schema.defaulting import pod as defaulting
from schema.slipway.building import BUILD_LABEL, BUILDER, CONTAINER, SECRETS_PATH, image_of, pod_name

_GRACE_SECONDS = 10
_REQUESTS = {"cpu": "500m", "memory": "256Mi"}
"""Of a build that says nothing; where it gives a limit, that is requested, as of any pod."""


def make(build: Wire) -> Wire:
    metadata, spec = build["metadata"], build["spec"]
    name, namespace, attempt = metadata["name"], metadata["namespace"], spec.get("attempt", 1)
    volumes, mounts = _secrets(spec)
    made: Wire = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(name, attempt),
            "namespace": namespace,
            "labels": {BUILD_LABEL: name},
            "ownerReferences": [reference(build)],
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            "activeDeadlineSeconds": spec.get("timeoutSeconds", 3600),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "nodeSelector": {**(spec.get("nodeSelector") or {}), **_platform(spec)},
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image_of(namespace, name, metadata["uid"], attempt),
                    "imagePullPolicy": "IfNotPresent",
                    "resources": _resources(spec),
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
        },
    }
    defaulting.default(made)
    return made


def _platform(spec: Wire) -> Wire:
    """A builder builds for its own architecture."""
    parts = str(spec.get("platform") or "").split("/")
    return {"kubernetes.io/arch": parts[1]} if len(parts) > 1 else {}


def _resources(spec: Wire) -> Wire:
    """Without a request a build would get no processor time on a busy node."""
    given = spec.get("resources") or {}
    limits = given.get("limits") or {}
    default = {name: amount for name, amount in _REQUESTS.items() if name not in limits}
    return {
        "requests": {**default, **(given.get("requests") or {}), BUILDER: "1"},
        "limits": {**limits, BUILDER: "1"},
    }


def _secrets(spec: Wire) -> tuple[list[Wire], list[Wire]]:
    """Volumes and their mounts: what steps may mount, the login of a git repository, logins for registries."""
    wanted: list[tuple[str, Wire]] = []
    for secret in spec.get("secrets") or ():
        key = secret.get("key") or secret["id"]
        source = {"secretName": secret["secretName"], "items": [{"key": key, "path": "value"}]}
        wanted.append((f"id/{secret['id']}", source))
    git: dict[str, Any] = (spec.get("context") or {}).get("git") or {}
    if git.get("secretName"):
        wanted.append(("git", {"secretName": git["secretName"]}))
    for number, login in enumerate(spec.get("imagePullSecrets") or ()):
        wanted.append((f"login/{number}", {"secretName": login["name"]}))
    volumes = [
        {"name": f"secret-{index}", "secret": {**source, "defaultMode": 0o400}}
        for index, (_, source) in enumerate(wanted)
    ]
    mounts = [
        {"name": f"secret-{index}", "mountPath": f"{SECRETS_PATH}/{where}", "readOnly": True}
        for index, (where, _) in enumerate(wanted)
    ]
    return volumes, mounts
