"""NetworkPolicy: ranges of addresses and ports that exist, and peers that say one thing."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from schema.networking.networkpolicy import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from schema.validation.affinity import check_selector
from schema.validation.causes import Problems
from schema.validation.names import port_name_fault

TYPES = ("Ingress", "Egress")


def check(policy: NetworkPolicy, problems: Problems) -> None:
    spec = policy.spec
    check_selector(spec.pod_selector, "spec.podSelector", problems)
    for position, ingress in enumerate(spec.ingress):
        path = f"spec.ingress[{position}]"
        _check_ports(ingress.ports, f"{path}.ports", problems)
        _check_peers(ingress.from_, f"{path}.from", problems)
    for position, egress in enumerate(spec.egress):
        path = f"spec.egress[{position}]"
        _check_ports(egress.ports, f"{path}.ports", problems)
        _check_peers(egress.to, f"{path}.to", problems)
    _check_types(spec.policy_types, problems)


def _check_types(types: Sequence[str], problems: Problems) -> None:
    if len(types) > len(TYPES):
        problems.invalid("spec.policyTypes", list(types), "may not specify more than two policyTypes")
        return
    for position, word in enumerate(types):
        if word not in TYPES:
            problems.not_supported(f"spec.policyTypes[{position}]", word, TYPES)


def _check_ports(ports: Sequence[NetworkPolicyPort], path: str, problems: Problems) -> None:
    for position, port in enumerate(ports):
        _check_port(port, f"{path}[{position}]", problems)


def _check_port(port: NetworkPolicyPort, path: str, problems: Problems) -> None:
    number = port.port
    if isinstance(number, str):
        if fault := port_name_fault(number):
            problems.invalid(f"{path}.port", number, fault)
        if port.end_port is not None:
            problems.invalid(f"{path}.endPort", port.end_port, "may not be specified when `port` is non-numeric")
    elif number is None:
        if port.end_port is not None:
            problems.invalid(f"{path}.endPort", port.end_port, "may not be specified when `port` is not specified")
    elif not 1 <= number <= 65535:
        problems.invalid(f"{path}.port", number, "must be between 1 and 65535, inclusive")
    elif port.end_port is not None and port.end_port < number:
        problems.invalid(f"{path}.endPort", port.end_port, "must be greater than or equal to `port`")


def _check_peers(peers: Sequence[NetworkPolicyPeer], path: str, problems: Problems) -> None:
    for position, peer in enumerate(peers):
        _check_peer(peer, f"{path}[{position}]", problems)


def _check_peer(peer: NetworkPolicyPeer, path: str, problems: Problems) -> None:
    if peer.pod_selector is not None:
        check_selector(peer.pod_selector, f"{path}.podSelector", problems)
    if peer.namespace_selector is not None:
        check_selector(peer.namespace_selector, f"{path}.namespaceSelector", problems)
    selects = peer.pod_selector is not None or peer.namespace_selector is not None
    if peer.ip_block is not None:
        _check_block(peer.ip_block, f"{path}.ipBlock", problems)
        if selects:
            problems.forbidden(path, "may not specify both ipBlock and another peer")
    elif not selects:
        problems.required(path, "must specify a peer")


def _check_block(block: IPBlock, path: str, problems: Problems) -> None:
    if not block.cidr:
        problems.required(f"{path}.cidr")
        return
    whole = _network(block.cidr, f"{path}.cidr", problems)
    for position, text in enumerate(block.except_):
        here = f"{path}.except[{position}]"
        part = _network(text, here, problems)
        if whole is None or part is None:
            continue
        if part == whole or not _within(part, whole):
            problems.invalid(here, text, f"must be a strict subset of `cidr`: {block.cidr}")


def _within(part: IPv4Network | IPv6Network, whole: IPv4Network | IPv6Network) -> bool:
    if isinstance(part, IPv4Network) and isinstance(whole, IPv4Network):
        return part.subnet_of(whole)
    return isinstance(part, IPv6Network) and isinstance(whole, IPv6Network) and part.subnet_of(whole)


def _network(text: str, path: str, problems: Problems) -> IPv4Network | IPv6Network | None:
    try:
        if "/" not in text:
            raise ValueError
        return ip_network(text, strict=False)
    except ValueError:
        problems.invalid(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
        return None
