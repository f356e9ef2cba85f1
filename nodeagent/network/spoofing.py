"""What keeps a pod from sending as somebody else, as text for ``nft -f``. Pure.

A pod with NET_RAW writes its own packets, and one with NET_ADMIN gives itself addresses. So what comes from a pod's interface
must have the pod's hardware address and one of its own addresses: as source of IP, as sender of ARP, and as the target of what
it advertises to neighbours. The table is of the family ``bridge``, because only there a packet still has the interface that it
came from. The interface is looked up in a map and leads to the chain of its pod: no packet meets the rules of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address


@dataclass(frozen=True)
class Identity:
    hardware: str
    """``0a:…``"""
    addresses: Sequence[str]


def table(name: str, pods: Mapping[str, Identity]) -> str:
    """The whole table, in place of what there was of it. ``pods`` by their interfaces."""
    return f"""\
{remove(name)}table bridge {name} {{
  map pods {{ type ifname : verdict; }}
  chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
    iifname vmap @pods
  }}
}}
{"".join(admit(name, interface, identity) for interface, identity in pods.items())}"""


def remove(name: str) -> str:
    return f"table bridge {name} {{ }}\ndelete table bridge {name}\n"


def admit(name: str, interface: str, identity: Identity) -> str:
    """From now on the interface may send as this and as nobody else."""
    lines = [f"add chain bridge {name} {interface}", f"flush chain bridge {name} {interface}"]
    lines += [f"add rule bridge {name} {interface} {rule}" for rule in _rules(identity)]
    lines.append(f'add element bridge {name} pods {{ "{interface}" : goto {interface} }}')
    return "\n".join(lines) + "\n"


def forget(name: str, interface: str) -> str:
    """Whether it was there or not."""
    element = f'element bridge {name} pods {{ "{interface}" : goto {interface} }}'
    return (
        f"add chain bridge {name} {interface}\nadd {element}\n"
        f"delete {element}\nflush chain bridge {name} {interface}\ndelete chain bridge {name} {interface}\n"
    )


def _rules(identity: Identity) -> Iterator[str]:
    four = [each for each in identity.addresses if ":" not in each]
    six = [each for each in identity.addresses if ":" in each]
    hardware = identity.hardware
    yield f"ether saddr != {hardware} drop"
    if four:
        yield f"ether type ip ip saddr {_one_of(four)} accept"
        yield f"ether type arp arp saddr ether {hardware} arp saddr ip {_one_of(four)} accept"
    if six:
        own = [*six, str(link_local(hardware))]
        targets = ", ".join(f"{int(IPv6Address(each)):#034x}" for each in own)
        yield f"icmpv6 type nd-neighbor-advert @th,64,128 != {{ {targets} }} drop"
        yield f"ether type ip6 ip6 saddr {_one_of(own)} accept"
        yield "ether type ip6 ip6 saddr :: meta l4proto icmpv6 accept"  # who has not got an address yet
    yield "drop"


def _one_of(addresses: Sequence[str]) -> str:
    return f"{{ {', '.join(addresses)} }}"


def link_local(hardware: str) -> IPv6Address:
    """Which the kernel gives an interface by itself (RFC 4291, appendix A)."""
    octets = bytes.fromhex(hardware.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)
