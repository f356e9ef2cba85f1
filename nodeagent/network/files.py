"""/etc/hosts and /etc/resolv.conf of a pod. Pure: the host's own files come in as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schema.core.pod import Pod

MAXIMUM_NAMESERVERS = 3
"""glibc and musl read no more."""
_HOSTS_HEAD = """\
# Written by Slipway for this pod.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


@dataclass(frozen=True)
class ClusterNames:
    """The node's DNS: where it answers (nowhere before the node has a range), and the domain of the cluster's names."""

    addresses: Sequence[str]
    domain: str


@dataclass(frozen=True)
class Names:
    """Of one pod."""

    host: str
    cluster: ClusterNames


@dataclass(frozen=True)
class Resolver:
    nameservers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()


@dataclass
class _Draft:
    nameservers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def parse_resolver(text: str) -> Resolver:
    """resolv.conf(5). The last ``search`` or ``domain`` line counts."""
    draft = _Draft()
    for line in text.splitlines():
        words = line.split()
        match words[:1]:
            case ["nameserver"]:
                draft.nameservers += words[1:2]
            case ["search"] | ["domain"]:
                draft.searches = words[1:]
            case ["options"]:
                draft.options += words[1:]
    return Resolver(draft.nameservers, draft.searches, draft.options)


def without_loopback(resolver: Resolver) -> Resolver:
    """A resolver on the host's loopback cannot be reached from a pod."""
    reachable = [server for server in resolver.nameservers if not _is_loopback(server)]
    return Resolver(reachable, resolver.searches, resolver.options)


def _is_loopback(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def asks_cluster(pod: Pod) -> bool:
    """Whether the pod's names are those of the cluster; on the host's network only if it says so."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)


def resolver_of(pod: Pod, host: Resolver, cluster: ClusterNames | None) -> Resolver:
    """The pod's: by dnsPolicy the cluster's, the host's or none, then what dnsConfig adds."""
    base = Resolver() if pod.spec.dns_policy == "None" else host
    if cluster is not None and asks_cluster(pod):
        base = _of_cluster(pod, host, cluster)
    config = pod.spec.dns_config
    if config is None:
        return base
    options = {option.partition(":")[0]: option for option in base.options}
    for option in config.options:
        options[option.name] = option.name if option.value is None else f"{option.name}:{option.value}"
    return Resolver(
        list(dict.fromkeys([*base.nameservers, *config.nameservers])),
        list(dict.fromkeys([*base.searches, *config.searches])),
        list(options.values()),
    )


def _of_cluster(pod: Pod, host: Resolver, cluster: ClusterNames) -> Resolver:
    domains = [f"{pod.metadata.namespace}.svc.{cluster.domain}", f"svc.{cluster.domain}", cluster.domain]
    return Resolver(cluster.addresses, list(dict.fromkeys([*domains, *host.searches])), ["ndots:5"])


def format_resolver(resolver: Resolver) -> str:
    lines = [f"nameserver {server}" for server in resolver.nameservers[:MAXIMUM_NAMESERVERS]]
    if resolver.searches:
        lines.append(f"search {' '.join(resolver.searches)}")
    if resolver.options:
        lines.append(f"options {' '.join(resolver.options)}")
    return "".join(f"{line}\n" for line in lines)


def hosts(pod: Pod, *, addresses: Sequence[str], hostname: str, cluster_domain: str) -> str:
    """A pod's own: loopback, its address with its names, and its hostAliases."""
    names = hostname
    if pod.spec.subdomain:
        domain = f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"
        names = f"{hostname}.{domain}\t{hostname}"
    return _HOSTS_HEAD + "".join(f"{address}\t{names}\n" for address in addresses) + _aliases(pod)


def host_network_hosts(pod: Pod, host_file: str) -> str:
    return (host_file if host_file.endswith("\n") or not host_file else f"{host_file}\n") + _aliases(pod)


def _aliases(pod: Pod) -> str:
    lines = [f"{alias.ip}\t{' '.join(alias.hostnames)}\n" for alias in pod.spec.host_aliases]
    return "\n# From the pod's hostAliases.\n" + "".join(lines) if lines else ""
