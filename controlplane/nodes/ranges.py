"""Gives each node a range of its own for the addresses of its pods."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator

from django.conf import settings
from django.db import IntegrityError, transaction

from controlplane.nodes.errors import RegistrationError
from controlplane.nodes.models import PodRange
from controlplane.store import objects
from schema import kinds

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""Each lost race means that another node has got a range, so a few are enough for any sane number of joins at once."""


def allocate(node: str, *, wanted: str = "") -> str:
    """The node's range, the same at every call. ``wanted`` is one that its Node object already names.

    Raises `RegistrationError` when the network is full, or when another node has the wanted range.
    """
    for _ in range(ATTEMPTS):
        held = PodRange.objects.filter(node=node).first()
        if held is not None and _fits(held.cidr):
            return held.cidr
        cidr = wanted if wanted and _fits(wanted) else _free()
        if _claim(node, cidr):
            return cidr
        if cidr == wanted and PodRange.objects.filter(cidr=cidr).exclude(node=node).exists():
            raise RegistrationError(f"the range {cidr} of node {node} belongs to another node; delete one of the two")
    raise RegistrationError("too many nodes join at once; try again")


def _claim(node: str, cidr: str) -> bool:
    try:
        with transaction.atomic():
            PodRange.objects.update_or_create(node=node, defaults={"cidr": cidr})
    except IntegrityError:
        return False
    return True


def _free() -> str:
    taken = set(PodRange.objects.values_list("cidr", flat=True))
    for candidate in _candidates():
        if candidate not in taken:
            return candidate
    return _reclaim()


def _reclaim() -> str:
    """The range of a node that is no more."""
    nodes = {node["metadata"]["name"] for node in objects.list_objects(kinds.NODE).items}
    for held in PodRange.objects.exclude(node__in=nodes).order_by("id"):
        if _fits(held.cidr):
            log.info("range %s of the former node %s is free again", held.cidr, held.node)
            held.delete()
            return held.cidr
    raise RegistrationError(
        f"every /{settings.NODE_PREFIX_LENGTH} of the pod network {settings.POD_NETWORK} is taken; "
        "a larger SLIPWAY_POD_NETWORK has room for more nodes"
    )


def _candidates() -> Iterator[str]:
    network = ipaddress.ip_network(settings.POD_NETWORK)
    for subnet in network.subnets(new_prefix=max(settings.NODE_PREFIX_LENGTH, network.prefixlen)):
        yield str(subnet)


def _fits(cidr: str) -> bool:
    """Whether a range is one that we would give: the pod network may have been changed since."""
    network = ipaddress.ip_network(settings.POD_NETWORK)
    try:
        given = ipaddress.ip_network(cidr)
    except ValueError:
        return False
    same_size = given.prefixlen == max(settings.NODE_PREFIX_LENGTH, network.prefixlen)
    return given.version == network.version and same_size and given.subnet_of(network)  # type: ignore[arg-type]
