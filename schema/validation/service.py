"""Service: what fits together. Whether an address or port is free and in its range is the store's to say."""

from __future__ import annotations

import ipaddress
import re

from schema.base import Wire
from schema.core.service import Service, ServicePort, ServiceSpec
from schema.validation.causes import Problems
from schema.validation.names import (
    check_labels,
    is_address,
    label_fault,
    port_name_fault,
    qualified_fault,
    subdomain_fault,
)

HEADLESS = "None"
EXTERNAL_TYPES = ("NodePort", "LoadBalancer")
FAMILIES = ("IPv4", "IPv6")
_LONGEST_AFFINITY = 86400
_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9_]*[a-z0-9])?)*\.?", re.ASCII)


def name_fault(text: str) -> str:
    """Why ``text`` is no name of a service (DNS label, RFC 1035: variables are named after it); empty if it is one."""
    if len(text) > 63:
        return "must be no more than 63 characters"
    if _1035.fullmatch(text):
        return ""
    return (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
        " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
        " '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )


def check(service: Service, problems: Problems) -> None:
    spec = service.spec
    check_labels(spec.selector, "spec.selector", problems)
    _check_ports(spec, problems)
    _check_addresses(spec, problems)
    _check_type(spec, problems)
    _check_affinity(spec, problems)
    _check_external(spec, problems)
    _check_load_balancer(spec, problems)


# Ports


def _check_ports(spec: ServiceSpec, problems: Problems) -> None:
    if not spec.ports and spec.type != "ExternalName" and spec.cluster_ip != HEADLESS:
        problems.required("spec.ports")
    names: set[str] = set()
    answered: set[tuple[str, int]] = set()
    node_ports: set[tuple[str, int]] = set()
    for position, port in enumerate(spec.ports):
        path = f"spec.ports[{position}]"
        _check_port(port, path, len(spec.ports) > 1, problems)
        if port.name and port.name in names:
            problems.duplicate(f"{path}.name", port.name)
        if (port.protocol, port.port) in answered:
            problems.duplicate(path, {"port": port.port, "protocol": port.protocol})
        if port.node_port:
            if spec.type not in EXTERNAL_TYPES:
                problems.forbidden(f"{path}.nodePort", f"may not be used when `type` is '{spec.type}'")
            if (port.protocol, port.node_port) in node_ports:
                problems.duplicate(f"{path}.nodePort", port.node_port)
        names.add(port.name)
        answered.add((port.protocol, port.port))
        node_ports.add((port.protocol, port.node_port))


def _check_port(port: ServicePort, path: str, several: bool, problems: Problems) -> None:
    if not port.name and several:
        problems.required(f"{path}.name")
    elif port.name and (fault := label_fault(port.name)):
        problems.invalid(f"{path}.name", port.name, fault)
    check_port_or_name(port.target_port, f"{path}.targetPort", problems)
    if port.app_protocol is not None and (fault := qualified_fault(port.app_protocol)):
        problems.invalid(f"{path}.appProtocol", port.app_protocol, fault)


def check_port_or_name(target: int | str | None, path: str, problems: Problems) -> None:
    if isinstance(target, int) and not 1 <= target <= 65535:
        problems.invalid(path, target, "must be between 1 and 65535, inclusive")
    elif isinstance(target, str) and (fault := port_name_fault(target)):
        problems.invalid(path, target, fault)


# Addresses


def _check_addresses(spec: ServiceSpec, problems: Problems) -> None:
    addresses, path = spec.cluster_ips, "spec.clusterIPs"
    if addresses and spec.cluster_ip != addresses[0]:
        problems.invalid(path, addresses, "first value must match `clusterIP`")
    if len(addresses) > 2 or (HEADLESS in addresses and len(addresses) > 1):
        problems.invalid(path, addresses, "may hold one address of each family, or None alone")
    for position, address in enumerate(addresses):
        if address != HEADLESS and not is_address(address):
            problems.invalid(f"{path}[{position}]", address, "must be empty, 'None', or a valid IP address")
    _check_families(spec, problems)


def _check_families(spec: ServiceSpec, problems: Problems) -> None:
    for position, family in enumerate(spec.ip_families):
        path = f"spec.ipFamilies[{position}]"
        if family not in FAMILIES:
            problems.not_supported(path, family, FAMILIES)
        elif family in spec.ip_families[:position]:
            problems.duplicate(path, family)
    if len(spec.ip_families) > 1 and spec.ip_family_policy == "SingleStack":
        problems.invalid("spec.ipFamilyPolicy", "SingleStack", "may not be 'SingleStack' with two ipFamilies")
    families = [family_of(address) for address in spec.cluster_ips if is_address(address)]
    for position, (given, wanted) in enumerate(zip(families, spec.ip_families, strict=False)):
        if given != wanted:
            problems.invalid(f"spec.clusterIPs[{position}]", spec.cluster_ips[position], f"expected an {wanted} value")
    if len(families) == 2 and families[0] == families[1]:
        problems.invalid("spec.clusterIPs", spec.cluster_ips, "may hold one address of each family")


def family_of(address: str) -> str:
    return f"IPv{ipaddress.ip_address(address).version}"


# Types


def _check_type(spec: ServiceSpec, problems: Problems) -> None:
    if spec.type == "ExternalName":
        _check_external_name(spec, problems)
    elif spec.type in EXTERNAL_TYPES and spec.cluster_ip == HEADLESS:
        problems.invalid("spec.clusterIP", HEADLESS, f"may not be set to 'None' for {spec.type} services")


def _check_external_name(spec: ServiceSpec, problems: Problems) -> None:
    for path, value in (("clusterIPs", spec.cluster_ips), ("ipFamilies", spec.ip_families)):
        if value:
            problems.forbidden(f"spec.{path}", "may not be set for ExternalName services")
    name = spec.external_name.lower()
    if not name:
        problems.required("spec.externalName")
    elif len(name) > 253 or not _DNS_NAME.fullmatch(name):
        fault = subdomain_fault(name.rstrip(".")) or "must be a DNS name"
        problems.invalid("spec.externalName", spec.external_name, fault)


def _check_affinity(spec: ServiceSpec, problems: Problems) -> None:
    config = spec.session_affinity_config
    if spec.session_affinity == "None" and config is not None:
        problems.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")
    if config is not None and config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds
        if seconds is not None and not 1 <= seconds <= _LONGEST_AFFINITY:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            problems.invalid(path, seconds, f"must be greater than 0 and less than {_LONGEST_AFFINITY}")


def _check_external(spec: ServiceSpec, problems: Problems) -> None:
    for position, address in enumerate(spec.external_ips):
        path = f"spec.externalIPs[{position}]"
        if not is_address(address):
            problems.invalid(path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        elif fault := _special(address):
            problems.invalid(path, address, fault)
    if spec.external_traffic_policy and spec.type not in EXTERNAL_TYPES and not spec.external_ips:
        path = "spec.externalTrafficPolicy"
        problems.invalid(path, spec.external_traffic_policy, "may only be set for externally-accessible services")
    if spec.health_check_node_port and not (spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"):
        problems.invalid(
            "spec.healthCheckNodePort",
            spec.health_check_node_port,
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )


def _special(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    if parsed.is_unspecified:
        return "may not be unspecified"
    if parsed.is_loopback:
        return "may not be in the loopback range"
    return "may not be link-local" if parsed.is_link_local or parsed.is_multicast else ""


def _check_load_balancer(spec: ServiceSpec, problems: Problems) -> None:
    if spec.type != "LoadBalancer":
        for name, value in (
            ("loadBalancerSourceRanges", spec.load_balancer_source_ranges),
            ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports),
            ("loadBalancerClass", spec.load_balancer_class),
        ):
            if value not in (None, []):
                problems.forbidden(f"spec.{name}", "may only be used when `type` is 'LoadBalancer'")
        return
    for position, text in enumerate(spec.load_balancer_source_ranges):
        try:
            ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            path = f"spec.loadBalancerSourceRanges[{position}]"
            problems.invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    if spec.load_balancer_ip and not is_address(spec.load_balancer_ip):
        problems.invalid("spec.loadBalancerIP", spec.load_balancer_ip, "must be a valid IP address")
    if spec.load_balancer_class is not None and (fault := qualified_fault(spec.load_balancer_class)):
        problems.invalid("spec.loadBalancerClass", spec.load_balancer_class, fault)


# Updates


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old["spec"]
    if "ExternalName" not in (given.get("type"), stored.get("type")):
        _check_address_update(given, stored, problems)
    stays = stored.get("type") == given.get("type") == "LoadBalancer" and stored.get("loadBalancerClass")
    if stays and given.get("loadBalancerClass") != stays:
        problems.immutable("spec.loadBalancerClass", given.get("loadBalancerClass"))


def _check_address_update(given: Wire, stored: Wire, problems: Problems) -> None:
    new, old = given.get("clusterIPs") or [], stored.get("clusterIPs") or []
    for position, address in enumerate(old):
        if position < len(new):
            if new[position] != address:
                problems.immutable(f"spec.clusterIPs[{position}]", new)
        elif position == 0:
            problems.invalid("spec.clusterIPs[0]", new, "primary clusterIP can not be unset")
        elif given.get("ipFamilyPolicy") != "SingleStack":
            problems.invalid(f"spec.clusterIPs[{position}]", new, "may be given up only with the policy SingleStack")
    before, after = stored.get("ipFamilies") or [], given.get("ipFamilies") or []
    if before and after[:1] != before[:1]:
        problems.immutable("spec.ipFamilies[0]", after)
