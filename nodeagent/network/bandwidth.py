"""A pod's bandwidth limits, kept by token buckets (tc-tbf(8)) on the host's end of its interface. Blocking, for a thread.

What the pod receives is what leaves by the host's end, and is held there. What it sends arrives there, where nothing can be
queued: it is led through an ifb device of the pod's own, which can. Both are out of the pod's reach, even with CAP_NET_ADMIN.

An ifb device does not go with the pod's namespace. It bears the instance's number as its group, by which it is found again.
"""

from __future__ import annotations

from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Netlink
from schema.bandwidth import Limits

BURST_SECONDS = 0.01
_FASTEST_BYTES = 2**32 - 1
"""In a second: as much as pyroute2's token bucket can say, 34 Gbit/s."""


def limit(veth: str, limits: Limits, *, instance: str, mtu: int) -> None:
    """Hold the pod behind ``veth`` to its limits, which replace those of before. Raises `NetworkError`."""
    try:
        with Netlink() as host:
            link = host.link(veth)
            if link is None:
                raise NetworkError(f"cannot limit the pod's bandwidth: its interface {veth} is gone")
            if limits.ingress:
                _hold(host, link.index, limits.ingress, mtu)
            if limits.egress:
                host.lead_ingress(link.index, through=_held_device(host, veth, limits.egress, instance, mtu))
    except OSError as error:
        raise NetworkError(
            f"cannot limit the pod's bandwidth: {error.strerror} (the kernel needs sch_tbf, sch_ingress, cls_u32, act_mirred "
            "and ifb)"
        ) from error


def _held_device(host: Netlink, veth: str, bits: int, instance: str, mtu: int) -> int:
    name = device_name(veth)
    if (device := host.link(name)) is None:
        host.add_ifb(name, mtu=mtu, group=group(instance))
        device = host.link(name)
    assert device is not None  # noqa: S101
    _hold(host, device.index, bits, mtu)
    host.set_up(device.index)
    return device.index


def _hold(host: Netlink, index: int, bits: int, mtu: int) -> None:
    rate = min(bits // 8, _FASTEST_BYTES)
    host.hold(index, rate=rate, burst=max(int(rate * BURST_SECONDS), 2 * mtu))


def release(veth: str) -> None:
    """Take away what does not go with the interface itself."""
    with Netlink() as host:
        device = host.link(device_name(veth))
        if device is not None:
            host.delete(device.index)


def collect(instance: str, in_use: set[str]) -> None:
    """Remove the devices of pods whose interface is not in ``in_use``."""
    kept = {device_name(veth) for veth in in_use}
    with Netlink() as host:
        for device in host.links():
            if device.group == group(instance) and device.name.startswith("sb") and device.name not in kept:
                host.delete(device.index)


def device_name(veth: str) -> str:
    """As the pod's interface, with another beginning: ``sv3f9a…``, ``sb3f9a…``."""
    return f"sb{veth.removeprefix('sv')}"


def group(instance: str) -> int:
    return int(instance, 16)
