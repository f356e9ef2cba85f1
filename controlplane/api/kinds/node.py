"""How nodes are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Cell, Column, pick, text
from schema.base import Wire

ROLE_LABEL = "node-role.kubernetes.io/"


def _status(wire: Wire) -> str:
    ready = [each for each in pick(wire, "status.conditions") or () if pick(each, "type") == "Ready"]
    words = ["Ready" if each.get("status") == "True" else "NotReady" for each in ready]
    words = words or ["Unknown"]
    if pick(wire, "spec.unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(wire: Wire) -> str:
    labels = pick(wire, "metadata.labels") or {}
    roles = {key.removeprefix(ROLE_LABEL) for key in labels if key.startswith(ROLE_LABEL) and key != ROLE_LABEL}
    return ",".join(sorted(roles)) or "<none>"


def _address(wanted: str) -> Cell:
    def cell(wire: Wire) -> str:
        found = (pick(each, "address") for each in pick(wire, "status.addresses") or () if pick(each, "type") == wanted)
        return str(next(found, None) or "<none>")

    return cell


def _info(name: str) -> Cell:
    return text(f"status.nodeInfo.{name}", "<unknown>")


COLUMNS = (
    NAME,
    Column("Status", _status, description="Whether it is ready, and whether pods may be placed on it."),
    Column("Roles", _roles),
    AGE,
    Column("Version", text("status.nodeInfo.kubeletVersion"), description="Of the agent."),
    Column("Internal-IP", _address("InternalIP"), priority=1),
    Column("External-IP", _address("ExternalIP"), priority=1),
    Column("OS-Image", _info("osImage"), priority=1),
    Column("Kernel-Version", _info("kernelVersion"), priority=1),
    Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
)
