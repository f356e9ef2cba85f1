"""Gives each node ranges of its own for the addresses of its pods, one of each family that the pod network has."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import IntegrityError, transaction

from controlplane.nodes.errors import RegistrationError
from controlplane.nodes.models import PodRange
from controlplane.store import objects
from schema import kinds, ranges
from schema.ranges import Range

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""Each lost race means that another node has got a range, so a few are enough for any sane number of joins at once."""


def pod_networks() -> list[Range]:
    """Raises `RangeError`."""
    return ranges.parse(settings.POD_NETWORK, setting="SLIPWAY_POD_NETWORK")


def allocate(node: str, *, wanted: Sequence[str] = ()) -> list[str]:
    """The node's ranges in the order of the pod network's, the same at every call. ``wanted`` are those that its Node object
    already names.

    Raises `RegistrationError` when the network is full, or when another node has a wanted range.
    """
    return [_allocate(node, network, wanted) for network in pod_networks()]


def _allocate(node: str, network: Range, wanted: Sequence[str]) -> str:
    preferred = next((each for each in wanted if _fits(each, network)), "")
    for _ in range(ATTEMPTS):
        held = PodRange.objects.filter(node=node, family=network.version).first()
        if held is not None and _fits(held.cidr, network):
            return held.cidr
        cidr = preferred or _free(network)
        if _claim(node, network, cidr):
            return cidr
        if cidr == preferred and PodRange.objects.filter(cidr=cidr).exclude(node=node).exists():
            raise RegistrationError(f"the range {cidr} of node {node} belongs to another node; delete one of the two")
    raise RegistrationError("too many nodes join at once; try again")


def _claim(node: str, network: Range, cidr: str) -> bool:
    try:
        with transaction.atomic():
            PodRange.objects.update_or_create(node=node, family=network.version, defaults={"cidr": cidr})
    except IntegrityError:
        return False
    return True


def _free(network: Range) -> str:
    taken = set(PodRange.objects.filter(family=network.version).values_list("cidr", flat=True))
    for candidate in _candidates(network):
        if candidate not in taken:
            return candidate
    return _reclaim(network)


def _reclaim(network: Range) -> str:
    """The range of a node that is no more."""
    nodes = {node["metadata"]["name"] for node in objects.list_objects(kinds.NODE).items}
    for held in PodRange.objects.filter(family=network.version).exclude(node__in=nodes).order_by("id"):
        if _fits(held.cidr, network):
            log.info("range %s of the former node %s is free again", held.cidr, held.node)
            held.delete()
            return held.cidr
    raise RegistrationError(
        f"every /{_prefix_length(network)} of the pod network {network} is taken; "
        "a larger SLIPWAY_POD_NETWORK has room for more nodes"
    )


def _prefix_length(network: Range) -> int:
    return ranges.node_prefix_length(network, settings.NODE_PREFIX_LENGTHS[network.version])


def _candidates(network: Range) -> Iterator[str]:
    for subnet in network.subnets(new_prefix=_prefix_length(network)):
        yield str(subnet)


def _fits(cidr: str, network: Range) -> bool:
    """Whether a range is one that we would give: the pod network may have been changed since."""
    try:
        given = ipaddress.ip_network(cidr)
    except ValueError:
        return False
    return given.prefixlen == _prefix_length(network) and ranges.contains(network, given)
