"""Which Secrets a node needs beside those of its pods: ingress nodes the certificates of the Ingresses that they serve. Pure."""

from __future__ import annotations

from controlplane.nodes.cluster.world import Key, World
from schema.networking import ingress

DECIDE = frozenset({"Node", "Ingress", "IngressClass"})
"""Kinds whose changes may change the answer."""


def of_node(world: World, node: str) -> frozenset[tuple[str, str]]:
    """Namespace and name of each Secret."""
    own = world.get(Key("Node", "", node))
    if own is None or not ingress.serves(own["metadata"].get("labels") or {}):
        return frozenset()
    classes = {
        one["metadata"]["name"]
        for one in world.of_kind("IngressClass")
        if one["spec"]["controller"] == ingress.CONTROLLER
    }
    return frozenset(
        (one["metadata"]["namespace"], ingress.secret_name(one["metadata"]["name"], entry))
        for one in world.of_kind("Ingress")
        if one["spec"].get("ingressClassName") in classes
        for entry in one["spec"].get("tls") or ()
    )
