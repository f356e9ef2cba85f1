"""Pods that the tests run, in few words."""

from __future__ import annotations

from typing import Any

Wire = dict[str, Any]


def container(name: str, image: str, script: str = "sleep 3600", **fields: Any) -> Wire:
    return {"name": name, "image": image, "command": ["sh", "-c", script], **fields}


def pod(name: str, *containers: Wire, **spec: Any) -> Wire:
    """A pod that is killed without a wait, so that tests are quick, unless told otherwise."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": list(containers), **spec},
    }


def limits(**amounts: str) -> Wire:
    """``resources`` with limits (requests follow them)."""
    return {"limits": amounts}
