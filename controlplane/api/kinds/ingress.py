"""How Ingresses are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire


def hosts(ingress: Wire) -> str:
    found = [rule["host"] for rule in pick(ingress, "spec.rules") or () if rule.get("host")]
    shown = ",".join(found[:3])
    return f"{shown} + {len(found) - 3} more..." if len(found) > 3 else shown or "*"


def addresses(ingress: Wire) -> str:
    entries = pick(ingress, "status.loadBalancer.ingress") or ()
    return ",".join(entry.get("ip") or entry.get("hostname") or "" for entry in entries)


def ports(ingress: Wire) -> str:
    return "80, 443" if pick(ingress, "spec.tls") else "80"


COLUMNS = (
    NAME,
    Column("Class", text("spec.ingressClassName", "<none>"), description="The IngressClass that serves it."),
    Column("Hosts", hosts, description="Host names of its rules."),
    Column("Address", addresses, description="Where it answers."),
    Column("Ports", ports, description="Ports it answers on."),
    AGE,
)
