"""On which nodes a DaemonSet has pods, and how a pod is meant for one node. Pure.

As in Kubernetes the scheduler binds the pod; its affinity names the node. The pods tolerate what befalls nodes, so a node
that is cordoned, not ready or short of something keeps and gets its pod.
"""

from __future__ import annotations

from functools import partial

from controlplane.controllers import pods, revisions
from controlplane.controllers.daemonsets.decide import Fate
from controlplane.scheduler.labels import Requirement, any_matches, parse_terms
from controlplane.scheduler.taints import Taint, Toleration, first_untolerated
from schema.base import Wire

FAILURES = "slipway.dev/failures"
"""Annotation of a pod: how many before it have failed on its node, one after the other."""
_LONGEST_NAME = 240
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_EXISTS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/not-ready", "NoSchedule"),
    ("node.kubernetes.io/unreachable", "NoSchedule"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
_NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


def tolerations(spec: Wire) -> list[Wire]:
    """Those of the template, and what every such pod tolerates."""
    given: list[Wire] = list(spec.get("tolerations") or ())
    added = (*_EXISTS, _NETWORK) if spec.get("hostNetwork") else _EXISTS
    ours = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in added]
    return [*given, *(one for one in ours if one not in given)]


def fate(node: Wire, template: Wire) -> Fate:
    spec = template.get("spec") or {}
    name = node["metadata"]["name"]
    if spec.get("nodeName") not in (None, "", name) or not _is_chosen(node, spec):
        return Fate(run=False, stay=False)
    taints = [Taint.parse(one) for one in (node.get("spec") or {}).get("taints") or ()]
    tolerated = tuple(Toleration.parse(one) for one in tolerations(spec))
    if "deletionTimestamp" in node["metadata"]:
        return Fate(run=False, stay=True)
    executing = tuple(one for one in taints if one.effect == "NoExecute")
    return Fate(
        run=first_untolerated(tuple(taints), tolerated) is None,
        stay=first_untolerated(executing, tolerated) is None,
    )


def _is_chosen(node: Wire, spec: Wire) -> bool:
    labels = node["metadata"].get("labels") or {}
    selector = spec.get("nodeSelector") or {}
    if not all(Requirement(key, "In", (value,)).holds(labels) for key, value in selector.items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    if required is None:
        return True
    return any_matches(parse_terms(required.get("nodeSelectorTerms")), node["metadata"]["name"], labels)


def node_of(pod: Wire) -> str:
    """The node that a pod is on, or meant for."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("operator") == "In" and len(field["values"]) == 1:
                return str(field["values"][0])
    return ""


def pod(owner: Wire, revision: Wire, node: str, *, failures: int) -> Wire:
    digest = revisions.hash_of(revision)
    metadata = owner["metadata"]
    # The name follows from what it is for, so making it twice is one pod.
    suffix = pods.suffix(f"{metadata['uid']} {node} {digest} {failures}", 10)
    return pods.from_template(
        owner,
        revisions.template_of(revision),
        f"{metadata['name'][:_LONGEST_NAME]}-{suffix}",
        labels={revisions.POD_LABEL: digest},
        annotations={FAILURES: str(failures)} if failures else {},
        change=partial(_change, node=node),
    )


def _change(spec: Wire, *, node: str) -> None:
    spec["tolerations"] = tolerations(spec)
    spec["affinity"] = _only(spec.get("affinity") or {}, node)


def _only(affinity: Wire, node: str) -> Wire:
    """The template's own requirements were looked at already; what is left is the one node."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    nodes = {**(affinity.get("nodeAffinity") or {}), _REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": nodes}
