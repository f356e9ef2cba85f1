"""NetworkPolicy: which directions it is about, and TCP where no protocol is named."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, children, fill


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for direction in ("ingress", "egress"):
        for rule in children(spec, direction):
            for port in children(rule, "ports"):
                fill(port, "protocol", "TCP")
