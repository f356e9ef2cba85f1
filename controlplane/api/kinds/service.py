"""How services are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire


def _external(wire: Wire) -> str:
    spec = pick(wire, "spec") or {}
    extra = list(spec.get("externalIPs") or ())
    kind = spec.get("type")
    if kind == "ExternalName":
        return str(spec.get("externalName") or "<none>")
    if kind == "LoadBalancer":
        ingress = pick(wire, "status.loadBalancer.ingress") or ()
        return ",".join([each.get("ip") or each.get("hostname") or "" for each in ingress] + extra) or "<pending>"
    return ",".join(extra) or "<none>"


def _ports(wire: Wire) -> str:
    shown = []
    for port in pick(wire, "spec.ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port.get('port')}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or "<none>"


def _selector(wire: Wire) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((pick(wire, "spec.selector") or {}).items())) or "<none>"


COLUMNS = (
    NAME,
    Column("Type", text("spec.type"), description="Who can reach it."),
    Column("Cluster-IP", text("spec.clusterIP", "<none>"), description="Its address within the cluster."),
    Column("External-IP", _external, description="Where it is reached from outside."),
    Column("Port(s)", _ports),
    AGE,
    Column("Selector", _selector, priority=1),
)
