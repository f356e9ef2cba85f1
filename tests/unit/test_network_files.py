from __future__ import annotations

import pytest

from nodeagent.network import files
from nodeagent.network.host_ports import PublishedPort
from schema.base import Wire
from schema.core.pod import Pod

HOST = files.parse_resolver("# x\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.b c.d\noptions ndots:2 edns0\n")


def pod(**spec: object) -> Pod:
    wire: Wire = {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": [], **spec}}
    return Pod.parse(wire)


CLUSTER = files.ClusterNames(["10.244.3.1"], "cluster.local")


def resolved(the_pod: Pod, cluster: files.ClusterNames | None = None) -> str:
    return files.format_resolver(files.resolver_of(the_pod, HOST, cluster))


OF_CLUSTER = """\
nameserver 10.244.3.1
search shop.svc.cluster.local svc.cluster.local cluster.local a.b c.d
options ndots:5
"""
OF_HOST = "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.b c.d\noptions ndots:2 edns0\n"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, OF_CLUSTER),
        ({"dnsPolicy": "ClusterFirst"}, OF_CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, OF_HOST),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, OF_CLUSTER),
        ({"dnsPolicy": "Default"}, OF_HOST),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, "nameserver 1.1.1.1\n"),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}], "searches": ["e.f"]}},
            OF_CLUSTER.replace("ndots:5", "ndots:2").replace("c.d", "c.d e.f"),
        ),
    ],
)
def test_the_dns_policy_says_whom_a_pod_asks(spec, expected):
    assert resolved(pod(**spec), CLUSTER) == expected


def test_a_resolver_on_the_hosts_loopback_is_of_no_use():
    assert files.without_loopback(HOST).nameservers == ["10.0.0.1"]
    assert files.without_loopback(files.parse_resolver("nameserver ::1\nnameserver fe80::1%eth0")).nameservers == [
        "fe80::1%eth0"
    ]


def test_without_a_dns_of_the_cluster_the_hosts_resolver_is_left():
    assert resolved(pod()) == "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a.b c.d\noptions ndots:2 edns0\n"


def test_dns_config_adds_and_overrides():
    config = {
        "nameservers": ["10.0.0.1", "9.9.9.9", "8.8.8.8"],
        "searches": ["e.f"],
        "options": [{"name": "ndots", "value": "5"}, {"name": "rotate"}],
    }
    text = resolved(pod(dnsConfig=config))
    assert text.count("nameserver") == 3
    assert "search a.b c.d e.f\n" in text
    assert "options ndots:5 edns0 rotate\n" in text
    assert resolved(pod(dnsPolicy="None", dnsConfig={"nameservers": ["1.1.1.1"]})) == "nameserver 1.1.1.1\n"


def test_hosts_name_the_pod_and_its_aliases():
    aliases = [{"ip": "10.9.9.9", "hostnames": ["db", "db.local"]}]
    text = files.hosts(
        pod(hostAliases=aliases, subdomain="web"),
        addresses=["10.1.1.2"],
        hostname="web-0",
        cluster_domain="cluster.local",
    )
    assert "127.0.0.1\tlocalhost\n" in text
    assert "10.1.1.2\tweb-0.web.shop.svc.cluster.local\tweb-0\n" in text
    assert "10.9.9.9\tdb db.local\n" in text
    assert "10.1.1.2\tp\n" in files.hosts(pod(), addresses=["10.1.1.2"], hostname="p", cluster_domain="cluster.local")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("tcp", "", 80), ("tcp", "10.0.0.1", 80), True),
        (("tcp", "10.0.0.1", 80), ("tcp", "10.0.0.1", 80), True),
        (("tcp", "10.0.0.2", 80), ("tcp", "10.0.0.1", 80), False),
        (("tcp", "", 80), ("udp", "", 80), False),
        (("tcp", "", 80), ("tcp", "", 81), False),
    ],
)
def test_published_ports_overlap(one, other, expected):
    first, second = (PublishedPort(protocol, ip, port, 1) for protocol, ip, port in (one, other))
    assert first.overlaps(second) is second.overlaps(first) is expected
