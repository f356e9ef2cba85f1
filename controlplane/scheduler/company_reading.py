"""The pods that are on the nodes already, read where some pod cares about its company.

Two cases ask for it: a pending pod with wishes about others, for which every bound pod may matter, and bound pods that want
others to stay away, which matter to any pending pod. Where there is neither, this costs one query that finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controlplane.scheduler import company
from controlplane.scheduler.company import Member
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import NodeTable
from controlplane.store import objects
from schema import kinds
from schema.base import Wire


def attach(wanted: Sequence[Demand], nodes: NodeTable) -> list[Demand]:
    """The demands, with what the pods on the nodes mean to them; the table learns of those pods."""
    curious = any(pod.wishes.any for pod in wanted)
    pods = objects.bound_pods() if curious else objects.bound_pods_mentioning("podAntiAffinity")
    members = [_member(pod) for pod in pods]
    repelled = any(member.apart for member in members) or any(pod.wishes.apart for pod in wanted)
    if not (curious or repelled):
        return list(wanted)
    nodes.company = nodes.company_of(members, _namespaces())
    return [replace(pod, judged_by_labels=True) for pod in wanted] if repelled else list(wanted)


def _member(pod: Wire) -> Member:
    meta = pod["metadata"]
    return Member(pod["spec"]["nodeName"], meta["namespace"], meta.get("labels") or {}, company.parse(pod).apart)


def _namespaces() -> dict[str, dict[str, str]]:
    found = objects.list_objects(kinds.NAMESPACE).items
    return {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in found}
