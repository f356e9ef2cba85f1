"""Service: the defaults that need no knowledge of the cluster, and what an update keeps of what was allocated."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, children, fill

AFFINITY_SECONDS = 10800
HEADLESS = "None"
EXTERNAL_TYPES = ("NodePort", "LoadBalancer")
_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    fill(spec, "type", "ClusterIP")
    fill(spec, "sessionAffinity", "None")
    _default_affinity(spec)
    for port in children(spec, "ports"):
        fill(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, "") and not isinstance(port.get("targetPort"), bool) and "port" in port:
            port["targetPort"] = port["port"]
    if spec["type"] in EXTERNAL_TYPES or spec.get("externalIPs"):
        fill(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] != "ExternalName":
        fill(spec, "internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    _default_addresses(spec)


def _default_affinity(spec: Wire) -> None:
    if spec["sessionAffinity"] == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        if isinstance(config, dict) and isinstance(client := config.setdefault("clientIP", {}), dict):
            client.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    elif spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)


def _default_addresses(spec: Wire) -> None:
    """clusterIP is the first of clusterIPs; whoever knows only one of the two sets that one."""
    first, every = spec.get("clusterIP"), spec.get("clusterIPs")
    if first and not every:
        spec["clusterIPs"] = [first]
    elif isinstance(every, list) and every and not first:
        spec["clusterIP"] = every[0]


def inherit(new: Wire, old: Wire) -> None:
    """What a writer who leaves it out does not mean to give up: the addresses and ports that the service has been given.
    A service that becomes another type gives up what the new type has no use for, unless the writer changed it."""
    given, stored = child(new, "spec"), child(old, "spec")
    if given is None or stored is None:
        return
    _drop_unused(given, stored)
    if given.get("type") == "ExternalName":
        return
    if stored.get("type") != "ExternalName":
        _inherit_addresses(given, stored)
    if _has_node_ports(given) and _has_node_ports(stored):
        _inherit_node_ports(given, stored)
    if _checks_health(given) and _checks_health(stored) and not given.get("healthCheckNodePort"):
        given["healthCheckNodePort"] = stored.get("healthCheckNodePort") or 0


def _inherit_addresses(given: Wire, stored: Wire) -> None:
    if not given.get("clusterIP") and not given.get("clusterIPs"):
        for name in _ADDRESSES[:2]:
            if name in stored:
                given[name] = stored[name]
    elif _names_first_only(given, stored) and given.get("ipFamilyPolicy") in (None, stored.get("ipFamilyPolicy")):
        given["clusterIPs"] = stored.get("clusterIPs") or given["clusterIPs"]
    for name in _ADDRESSES[2:]:
        if not given.get(name) and name in stored:
            given[name] = stored[name]
    if given.get("ipFamilyPolicy") == "SingleStack" != stored.get("ipFamilyPolicy"):
        for name in ("clusterIPs", "ipFamilies"):  # back to one family: the second goes unless the writer changed it
            if given.get(name) == stored.get(name):
                given[name] = (stored.get(name) or [])[:1]


def _names_first_only(given: Wire, stored: Wire) -> bool:
    """As an old client does that knows only clusterIP; one that wants a single family says so in ipFamilyPolicy."""
    return given.get("clusterIPs") == [given.get("clusterIP")] and given["clusterIP"] == stored.get("clusterIP")


def _inherit_node_ports(given: Wire, stored: Wire) -> None:
    held = {_port_key(port): port.get("nodePort") for port in children(stored, "ports")}
    asked = {(port.get("protocol"), port["nodePort"]) for port in children(given, "ports") if port.get("nodePort")}
    for port in children(given, "ports"):
        before = held.get(_port_key(port))
        if not port.get("nodePort") and before and (port.get("protocol"), before) not in asked:
            port["nodePort"] = before
            asked.add((port.get("protocol"), before))


def _drop_unused(given: Wire, stored: Wire) -> None:
    if given.get("type") == stored.get("type") and _checks_health(given) == _checks_health(stored):
        return
    if given.get("type") == "ExternalName":
        for name in _ADDRESSES:
            if given.get(name) == stored.get(name):
                given.pop(name, None)
        given.pop("internalTrafficPolicy", None)
    if not _has_node_ports(given):
        held = {_port_key(port): port.get("nodePort") for port in children(stored, "ports")}
        for port in children(given, "ports"):
            if port.get("nodePort") == held.get(_port_key(port)):
                port.pop("nodePort", None)
    if not _checks_health(given) and given.get("healthCheckNodePort") == stored.get("healthCheckNodePort"):
        given.pop("healthCheckNodePort", None)
    if given.get("type") not in EXTERNAL_TYPES and not given.get("externalIPs"):
        _drop_same(given, stored, "externalTrafficPolicy")
    if given.get("type") != "LoadBalancer":
        for name in ("allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerSourceRanges"):
            _drop_same(given, stored, name)


def _drop_same(given: Wire, stored: Wire, name: str) -> None:
    if given.get(name) == stored.get(name):
        given.pop(name, None)


def _port_key(port: Wire) -> tuple[object, object]:
    return port.get("protocol"), port.get("port")


def _has_node_ports(spec: Wire) -> bool:
    return spec.get("type") in EXTERNAL_TYPES


def _checks_health(spec: Wire) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
