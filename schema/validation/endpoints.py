"""Endpoints and EndpointSlice: addresses that somebody can be reached at."""

from __future__ import annotations

import ipaddress

from schema.base import Wire
from schema.core.endpoints import Endpoints, EndpointSubset
from schema.discovery.endpointslice import Endpoint, EndpointSlice
from schema.validation.causes import Problems
from schema.validation.names import is_address, label_fault, subdomain_fault

MAXIMUM_ENDPOINTS = 1000
MAXIMUM_ADDRESSES = 100


def check(endpoints: Endpoints, problems: Problems) -> None:
    for position, subset in enumerate(endpoints.subsets):
        _check_subset(subset, f"subsets[{position}]", problems)


def _check_subset(subset: EndpointSubset, path: str, problems: Problems) -> None:
    if not subset.addresses and not subset.not_ready_addresses:
        problems.required(path, "must specify `addresses` or `notReadyAddresses`")
    for name, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
        for position, address in enumerate(addresses):
            here = f"{path}.{name}[{position}]"
            _check_address(address.ip, f"{here}.ip", problems)
            if address.hostname and (fault := label_fault(address.hostname)):
                problems.invalid(f"{here}.hostname", address.hostname, fault)
    for position, port in enumerate(subset.ports):
        if not port.name and len(subset.ports) > 1:
            problems.required(f"{path}.ports[{position}].name")
        elif port.name and (fault := label_fault(port.name)):
            problems.invalid(f"{path}.ports[{position}].name", port.name, fault)


def check_slice(found: EndpointSlice, problems: Problems) -> None:
    if len(found.endpoints) > MAXIMUM_ENDPOINTS:
        problems.add("FieldValueTooMany", "endpoints", f"Too many: must have at most {MAXIMUM_ENDPOINTS} items")
    for position, endpoint in enumerate(found.endpoints):
        _check_endpoint(endpoint, found.address_type, f"endpoints[{position}]", problems)
    names: set[str] = set()
    for position, port in enumerate(found.ports):
        path = f"ports[{position}]"
        name = port.name or ""
        if name and (fault := label_fault(name)):
            problems.invalid(f"{path}.name", name, fault)
        if name in names:
            problems.duplicate(f"{path}.name", name)
        names.add(name)
        if port.port is not None and not 1 <= port.port <= 65535:
            problems.invalid(f"{path}.port", port.port, "must be between 1 and 65535, inclusive")


def _check_endpoint(endpoint: Endpoint, kind: str, path: str, problems: Problems) -> None:
    if not endpoint.addresses:
        problems.required(f"{path}.addresses", "must contain at least 1 address")
    if len(endpoint.addresses) > MAXIMUM_ADDRESSES:
        problems.add("FieldValueTooMany", f"{path}.addresses", f"Too many: must have at most {MAXIMUM_ADDRESSES} items")
    for position, address in enumerate(endpoint.addresses):
        here = f"{path}.addresses[{position}]"
        if kind == "FQDN":
            if fault := subdomain_fault(address):
                problems.invalid(here, address, fault)
        elif not _is_of(address, kind):
            problems.invalid(here, address, f"must be an {kind} address")
        else:
            _check_address(address, here, problems)
    if endpoint.hostname and (fault := label_fault(endpoint.hostname)):
        problems.invalid(f"{path}.hostname", endpoint.hostname, fault)


def _is_of(address: str, kind: str) -> bool:
    return is_address(address) and f"IPv{ipaddress.ip_address(address).version}" == kind


def _check_address(address: str, path: str, problems: Problems) -> None:
    if not is_address(address):
        problems.invalid(path, address, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        return
    parsed = ipaddress.ip_address(address)
    # Nobody else's: a service must not lead its clients to the node's own loopback or metadata service.
    for fault, holds in (
        ("may not be unspecified", parsed.is_unspecified),
        ("may not be in the loopback range", parsed.is_loopback),
        ("may not be in the link-local range", parsed.is_link_local),
        ("may not be in the multicast range", parsed.is_multicast),
    ):
        if holds:
            problems.invalid(path, address, fault)


def check_slice_update(new: Wire, old: Wire, problems: Problems) -> None:
    if new.get("addressType") != old.get("addressType"):
        problems.immutable("addressType", new.get("addressType"))
