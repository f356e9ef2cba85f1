"""A node joins: its Node object is made or brought up to date, and it gets its ranges of pod addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from controlplane.access import tokens
from controlplane.nodes import ranges
from controlplane.nodes.errors import CredentialRevoked
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, NotFound
from schema import kinds
from schema.base import Wire

_OWN_LABELS = {
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
}
"""What the agent knows best; kept as it says at every start."""
_RESERVED = re.compile(r"(^|\.)(kubernetes|k8s)\.io/")
_ALLOWED_RESERVED = re.compile(
    r"^((beta\.)?kubernetes\.io/(hostname|os|arch|instance-type)"
    r"|(topology|failure-domain\.beta)\.kubernetes\.io/(region|zone)"
    r"|node\.kubernetes\.io/[^/]+|kubelet\.kubernetes\.io/[^/]+)$"
)
"""As Kubernetes' NodeRestriction: a stolen node credential must not label its way to other nodes' work."""


@dataclass(frozen=True)
class Registration:
    uid: str
    pod_cidrs: list[str]


def register(hello: Wire, credential: bytes = b"") -> Registration:
    """``hello`` is the Node as the agent sends it. Only labels, taints, and status are taken from it; taints and labels
    of its own choice only when the Node is new, because from then on they are the users'.

    ``credential`` is the digest of the token that the agent came with. It belongs to the Node that it registers first:
    once that is deleted it opens no session any more, however recently it was checked.

    Raises `RegistrationError`, `CredentialRevoked`. Runs queries.
    """
    name = hello["metadata"]["name"]
    belongs_to = _check_credential(name, credential) if credential else ""
    try:
        present = objects.get(kinds.NODE, "", name)
    except NotFound:
        present = _create(hello, name)
    cidrs = ranges.allocate(name, wanted=_ranges_of(present))
    labels = {key: value for key, value in labels_of(hello, name).items() if key in _OWN_LABELS}
    objects.mutate(kinds.NODE, "", name, lambda node: _with_own(node, labels, cidrs))
    status = hello.get("status") or {}
    node = objects.mutate(kinds.NODE, "", name, lambda node: {**node, "status": status}, subresource="status")
    uid = node["metadata"]["uid"]
    if credential and not belongs_to:
        tokens.bind_node(name, credential, uid)
    return Registration(uid=uid, pod_cidrs=cidrs)


def _check_credential(name: str, credential: bytes) -> str:
    """The uid of the Node that the credential belongs to; empty for a new one."""
    belongs_to = tokens.node_uid_of(name, credential)
    if belongs_to is None:
        raise CredentialRevoked("the node's credential was revoked or has expired")
    if belongs_to:
        try:
            present = objects.get(kinds.NODE, "", name)["metadata"]["uid"]
        except NotFound:
            present = ""
        if present != belongs_to:
            raise CredentialRevoked("the node was removed from the cluster, and its credential with it")
    return belongs_to


def labels_of(hello: Wire, name: str) -> dict[str, str]:
    """The agent's labels without those that it may not choose, and with the host name if it gave none."""
    given = hello["metadata"].get("labels") or {}
    kept = {key: value for key, value in given.items() if not _RESERVED.search(key) or _ALLOWED_RESERVED.match(key)}
    return {"kubernetes.io/hostname": name, **kept}


def _create(hello: Wire, name: str) -> Wire:
    # The ranges come first: a Node must never be seen without them.
    spec: Wire = _spec_of(ranges.allocate(name))
    taints = (hello.get("spec") or {}).get("taints")
    if taints:
        spec["taints"] = taints
    metadata = {"name": name, "labels": labels_of(hello, name)}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": spec, "status": hello.get("status") or {}}
    try:
        return objects.create(kinds.NODE, node)
    except AlreadyExists:  # two sessions of one node at once
        return objects.get(kinds.NODE, "", name)


def _ranges_of(node: Wire) -> list[str]:
    spec = node.get("spec") or {}
    return spec.get("podCIDRs") or [spec.get("podCIDR") or ""]


def _spec_of(cidrs: list[str]) -> Wire:
    return {"podCIDR": cidrs[0], "podCIDRs": cidrs}


def _with_own(node: Wire, labels: dict[str, str], cidrs: list[str]) -> Wire | None:
    metadata, spec = node["metadata"], node.get("spec") or {}
    merged = {**(metadata.get("labels") or {}), **labels}
    if merged == metadata.get("labels") and _ranges_of(node) == cidrs:
        return None
    return {**node, "metadata": {**metadata, "labels": merged}, "spec": {**spec, **_spec_of(cidrs)}}
