"""The nftables tables of an instance that stand by themselves, as text for ``nft -f``. Pure.

One for each family of addresses: pods to the outside, and the host's loopback. Services and published ports are in a table of
their own (`service_table`), what policies forbid in another.
"""

from __future__ import annotations

from schema.ranges import Range


def table(name: str, *, bridge: str, pod_network: Range, cluster_network: Range) -> str:
    """The whole table of the ranges' family, replacing what there was of it in the same transaction."""
    family = _family(pod_network.version)
    here = f"{family} saddr {pod_network}"
    guard, loopback = (_LOOPBACK_GUARD, _LOOPBACK_OUT) if family == "ip" else ("", "")
    return f"""\
table {family} {name} {{ }}
delete table {family} {name}
table {family} {name} {{
  chain raw_prerouting {{
    type filter hook prerouting priority raw; policy accept;{guard.format(bridge=bridge)}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;{loopback.format(bridge=bridge)}
    {here} {family} daddr != {cluster_network} oifname != "{bridge}" masquerade comment "pods to the outside"
  }}
}}
"""


_LOOPBACK_GUARD = """
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop comment "route_localnet must not open the host's loopback to pods\""""
_LOOPBACK_OUT = """
    ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade comment "loopback of the host to a published port\""""


def remove(name: str, version: int) -> str:
    family = _family(version)
    return f"table {family} {name} {{ }}\ndelete table {family} {name}\n"


def _family(version: int) -> str:
    return "ip" if version == 4 else "ip6"
