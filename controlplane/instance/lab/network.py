"""Makes the kernel as the lab's state wants it, and takes it all away. Whatever is there already is kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from ipaddress import IPv4Network

from controlplane.instance.lab import devices, plan, state
from controlplane.instance.lab.devices import Port
from controlplane.instance.lab.errors import BadSetting, LabError, RangeConflict
from controlplane.instance.lab.state import Lab, Node
from controlplane.instance.layout import Layout
from schema.instance import instance_id


def settle(layout: Layout, *, environment: Mapping[str, str] = os.environ, may_move: bool = False) -> Lab:
    """The lab, with its range: as kept, as the setting says, or a free one. ``may_move``: a range that was chosen, that
    nobody has an address of yet, and that is somebody else's by now, gives way to another. Raises `LabError`."""
    given, kept = environment.get(plan.SETTING), state.load(layout)
    if kept is not None and given and plan.parse_network(given) != kept.network:
        if kept.nodes:
            raise BadSetting(
                f"{plan.SETTING} is {given}, but the lab's nodes have addresses of {kept.network}: remove them first"
            )
        kept = None
    if kept is not None and may_move and not given and not kept.nodes and _is_taken(layout, kept):
        kept = None
    if kept is None:
        kept = Lab(plan.parse_network(given) if given else _free(layout))
        state.save(layout, kept)
    return kept


def _is_taken(layout: Layout, lab: Lab) -> bool:
    try:
        _check_range(layout, lab)
    except RangeConflict:
        return True
    return False


def _check_range(layout: Layout, lab: Lab) -> None:
    with devices.opened() as host:
        used = host.used(but=plan.bridge_name(instance_id(layout.home)))
    plan.check_network(lab.network, used, pods=pod_network(layout))


def _free(layout: Layout) -> IPv4Network:
    instance = instance_id(layout.home)
    with devices.opened() as host:
        return plan.choose_network(instance, host.used(but=plan.bridge_name(instance)))


def pod_network(layout: Layout, environment: Mapping[str, str] = os.environ) -> IPv4Network | None:
    text = environment.get("SLIPWAY_POD_NETWORK", "")
    with contextlib.suppress(OSError):
        text = text or (layout.home / "pod-network").read_text()
    for part in text.split(","):
        with contextlib.suppress(ValueError):
            return IPv4Network(part.strip())
    return None


def check(layout: Layout, lab: Lab) -> None:
    """Before anything is made: is the range free, and can this kernel do what is asked for? Raises `LabError`."""
    if not lab.nodes:
        return
    _check_range(layout, lab)
    if any(node.link.latency_ms for node in lab.nodes):
        devices.check_delay(state.pins(layout) / ".probe")


def ensure(layout: Layout, lab: Lab) -> None:
    """Raises `LabError`."""
    check(layout, lab)
    if not lab.nodes:
        return
    name = plan.bridge_name(instance_id(layout.home))
    try:
        with devices.opened() as host:
            bridge = host.ensure_bridge(name, plan.host_interface(lab), plan.hardware_address(lab.gateway))
            for node in lab.nodes:
                wanted = port(layout, lab, node)
                if devices.ensure_namespace(wanted.namespace):
                    host.delete(wanted.host_end)  # its other end is in a namespace that nobody finds any more
                host.ensure_port(bridge, wanted)
        devices.forward_packets()
        apply_rules(layout, lab)
        for node in lab.nodes:
            devices.shape(port(layout, lab, node), node.link)
    except OSError as error:
        raise LabError(f"the lab's network cannot be made: {error}") from error


def apply_rules(layout: Layout, lab: Lab) -> None:
    devices.load_rules(plan.rules(lab, instance_id(layout.home), primary=layout.node_name))


def is_up(layout: Layout, node: Node) -> bool:
    return devices.is_pinned(state.places(layout, node.name).namespace)


def port(layout: Layout, lab: Lab, node: Node) -> Port:
    address = lab.address(node)
    return Port(
        host_end=plan.interface_name(instance_id(layout.home), node.name),
        namespace=state.places(layout, node.name).namespace,
        address=address,
        gateway=lab.gateway,
        hardware_address=plan.hardware_address(address.ip),
    )


def remove_node(layout: Layout, name: str) -> None:
    """Its cable and its namespace."""
    with devices.opened() as host:
        host.delete(plan.interface_name(instance_id(layout.home), name))
    devices.remove_namespace(state.places(layout, name).namespace)


def remove(layout: Layout) -> None:
    """Everything, also what no state speaks of any more."""
    instance = instance_id(layout.home)
    pins = state.pins(layout)
    for pin in sorted(pins.iterdir()) if pins.exists() else []:
        remove_node(layout, pin.name)
    with devices.opened() as host:
        host.delete(plan.bridge_name(instance))
    devices.load_rules(plan.remove_rules(instance))
    with contextlib.suppress(FileNotFoundError):
        pins.rmdir()
