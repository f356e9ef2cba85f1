"""How IngressClasses are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire


def parameters(ingress_class: Wire) -> str:
    found = pick(ingress_class, "spec.parameters")
    if not found:
        return "<none>"
    group = f".{found['apiGroup']}" if found.get("apiGroup") else ""
    return f"{found.get('kind', '')}{group}/{found.get('name', '')}"


COLUMNS = (
    NAME,
    Column("Controller", text("spec.controller"), description="Who serves Ingresses of the class."),
    Column("Parameters", parameters, description="Further settings of the class."),
    AGE,
)
