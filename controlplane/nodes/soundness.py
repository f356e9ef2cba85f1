"""What an agent says is held to the schema before anybody relies on it. Pure.

Controllers and the scheduler read the statuses of all nodes and pods and expect what the schema says: one agent that is broken,
or a credential in the wrong hands, must not be able to stop them for the whole cluster.
"""

from __future__ import annotations

from pydantic import ValidationError

from schema import kinds, validation
from schema.base import Wire
from schema.core.pod_status import PodStatus


def fault_of_node(node: Wire) -> str:
    """What is wrong first with the labels, taints or status of a Node; empty where nothing is."""
    metadata, spec = node.get("metadata"), node.get("spec") or {}
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return "metadata and spec must be objects"
    wire = {
        "apiVersion": kinds.NODE.api_version,
        "kind": kinds.NODE.kind,
        "metadata": {"name": metadata.get("name"), "labels": metadata.get("labels") or {}},
        "spec": {"taints": spec.get("taints") or []},
        "status": node.get("status") or {},
    }
    causes = validation.validate(kinds.NODE, wire)
    return f"{causes[0].field}: {causes[0].message}" if causes else ""


def fault_of_pod_status(status: Wire) -> str:
    """Its structure only: there are many, and what words mean is decided by those who read them."""
    try:
        PodStatus.parse(status)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, ('status', *first['loc'])))}: {first['msg']}"
    return ""
