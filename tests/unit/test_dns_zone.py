"""The names of the cluster, as the specification of DNS-based service discovery has them."""

from __future__ import annotations

import dns.rdatatype
import pytest

from nodeagent.cluster import ClusterView, Key
from nodeagent.network.dns.zone import KINDS, Zone
from schema.session import ClusterKey


def service(name, namespace="shop", **spec):
    return {"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def slice_of(name, *endpoints, namespace="shop", address_type="IPv4", ports=(), suffix="1"):
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{suffix}",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": address_type,
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": ready}, **({"hostname": host} if host else {})}
            for address, ready, host in endpoints
        ],
        "ports": list(ports),
    }


HTTP = {"name": "http", "protocol": "TCP", "port": 8080}
CLUSTER = [
    {"kind": "Node", "metadata": {"name": "n1"}, "spec": {"podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"]}},
    {"kind": "Namespace", "metadata": {"name": "shop"}},
    {"kind": "Namespace", "metadata": {"name": "empty"}},
    {
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "shop"},
        "status": {"podIPs": [{"ip": "10.244.1.9"}, {"ip": "fd00:244:1::9"}]},
    },
    service(
        "web",
        clusterIP="10.96.0.10",
        clusterIPs=["10.96.0.10", "fd00:96::10"],
        ports=[{"name": "http", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}],
    ),
    slice_of("web", ("10.244.1.2", True, "")),
    service("db", clusterIP="None", ports=[HTTP]),
    slice_of("db", ("10.244.1.3", True, "db-0"), ("10.244.1.4", True, ""), ("10.244.1.5", False, "db-2"), ports=[HTTP]),
    slice_of("db", ("fd00:244:1::3", True, "db-0"), address_type="IPv6", ports=[HTTP], suffix="6"),
    service("eager", clusterIP="None", publishNotReadyAddresses=True),
    slice_of("eager", ("10.244.1.6", False, "e-0")),
    service("idle", clusterIP="None"),
    service("out", type="ExternalName", externalName="www.example.com"),
    service("alias", type="ExternalName", externalName="web.shop.svc.cluster.local"),
    service("circle", type="ExternalName", externalName="circle.shop.svc.cluster.local"),
    service("unset"),
]


def zone_of(view):
    zone = Zone("cluster.local", addresses=["10.244.1.1"])
    zone.apply(view, [Key(kind, *name) for kind in KINDS for name in view.all(kind)])
    return zone


@pytest.fixture
def view():
    return ClusterView(CLUSTER)


def ask(zone, name, kind):
    found = zone.find(name, dns.rdatatype.from_text(kind))
    return sorted(f"{dns.rdatatype.to_text(at)} {rdata.to_text()}" for _, at, rdata in found.answers), found


DB_0 = "db-0.db.shop.svc.cluster.local."


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.shop.svc.cluster.local", "A", ["A 10.96.0.10"]),
        ("web.shop.svc.cluster.local", "AAAA", ["AAAA fd00:96::10"]),
        ("_http._tcp.web.shop.svc.cluster.local", "SRV", ["SRV 0 100 80 web.shop.svc.cluster.local."]),
        ("_dns._udp.web.shop.svc.cluster.local", "SRV", ["SRV 0 100 53 web.shop.svc.cluster.local."]),
        ("10.0.96.10.in-addr.arpa", "PTR", ["PTR web.shop.svc.cluster.local."]),
        ("db.shop.svc.cluster.local", "A", ["A 10.244.1.3", "A 10.244.1.4"]),
        ("db.shop.svc.cluster.local", "AAAA", ["AAAA fd00:244:1::3"]),
        ("db-0.db.shop.svc.cluster.local", "A", ["A 10.244.1.3"]),
        ("10-244-1-4.db.shop.svc.cluster.local", "A", ["A 10.244.1.4"]),
        (
            "_http._tcp.db.shop.svc.cluster.local",
            "SRV",
            [f"SRV 0 100 8080 10-244-1-4.{DB_0[5:]}", f"SRV 0 100 8080 {DB_0}"],
        ),
        ("3.1.244.10.in-addr.arpa", "PTR", [f"PTR {DB_0}"]),
        ("4.1.244.10.in-addr.arpa", "PTR", [f"PTR 10-244-1-4.{DB_0[5:]}"]),
        ("eager.shop.svc.cluster.local", "A", ["A 10.244.1.6"]),
        ("out.shop.svc.cluster.local", "A", ["CNAME www.example.com."]),
        ("out.shop.svc.cluster.local", "CNAME", ["CNAME www.example.com."]),
        ("alias.shop.svc.cluster.local", "A", ["A 10.96.0.10", "CNAME web.shop.svc.cluster.local."]),
        ("10-244-1-9.shop.pod.cluster.local", "A", ["A 10.244.1.9"]),
        ("fd00-244-1--9.shop.pod.cluster.local", "AAAA", ["AAAA fd00:244:1::9"]),
        ("dns-version.cluster.local", "TXT", ['TXT "1.1.0"']),
        ("ns.dns.cluster.local", "A", ["A 10.244.1.1"]),
        ("cluster.local", "NS", ["NS ns.dns.cluster.local."]),
    ],
)
def test_records(view, name, kind, expected):
    zone = zone_of(view)
    assert zone.is_ours(name)
    assert ask(zone, name, kind)[0] == sorted(expected)


@pytest.mark.parametrize(
    ("name", "kind", "exists"),
    [
        ("cluster.local", "A", True),
        ("svc.cluster.local", "A", True),
        ("shop.svc.cluster.local", "A", True),
        ("empty.svc.cluster.local", "A", True),
        ("pod.cluster.local", "A", True),
        ("nowhere.svc.cluster.local", "A", False),
        ("web.shop.svc.cluster.local", "TXT", True),
        ("_tcp.web.shop.svc.cluster.local", "A", True),
        ("_other._tcp.web.shop.svc.cluster.local", "SRV", False),
        ("none.shop.svc.cluster.local", "A", False),
        ("web.empty.svc.cluster.local", "A", False),
        ("idle.shop.svc.cluster.local", "A", True),
        ("db-2.db.shop.svc.cluster.local", "A", False),
        ("unset.shop.svc.cluster.local", "A", False),
        ("10-244-1-9.shop.pod.cluster.local", "AAAA", True),
        ("10-244-1-9.empty.pod.cluster.local", "A", False),
        ("10-244-1-77.shop.pod.cluster.local", "A", False),
        ("a.b.cluster.local", "A", False),
        ("77.1.244.10.in-addr.arpa", "PTR", False),
        ("1.244.10.in-addr.arpa", "PTR", True),
        ("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.4.4.2.0.0.0.d.f.ip6.arpa", "PTR", False),
    ],
)
def test_no_data_and_no_such_name(view, name, kind, exists):
    zone = zone_of(view)
    assert zone.is_ours(name)
    answers, found = ask(zone, name, kind)
    assert answers == []
    assert found.exists is exists
    owner, at, soa = found.negative
    assert at == dns.rdatatype.SOA
    assert soa.minimum == 5
    assert name == owner or name.endswith(f".{owner}")


def test_names_of_others_are_not_ours(view):
    zone = zone_of(view)
    for name in ("example.com", "local", "notcluster.local", "1.0.0.10.in-addr.arpa", "2.244.10.in-addr.arpa", ""):
        assert not zone.is_ours(name), name


def test_an_alias_says_where_to_ask_on_and_a_circle_ends(view):
    zone = zone_of(view)
    assert ask(zone, "out.shop.svc.cluster.local", "A")[1].elsewhere == "www.example.com"
    assert ask(zone, "out.shop.svc.cluster.local", "CNAME")[1].elsewhere == ""
    assert len(ask(zone, "circle.shop.svc.cluster.local", "A")[0]) == 8


def test_srv_answers_bring_the_addresses_along(view):
    _, found = ask(zone_of(view), "_http._tcp.db.shop.svc.cluster.local", "SRV")
    assert {rdata.to_text() for _, _, rdata in found.additional} == {"10.244.1.3", "10.244.1.4", "fd00:244:1::3"}


def test_changes_leave_what_a_fresh_zone_would_hold(view):
    zone = zone_of(view)
    steps = [
        ([slice_of("db", ("10.244.1.4", True, "db-0"), ports=[HTTP])], []),
        ([service("web", clusterIP="None")], [ClusterKey(kind="Pod", namespace="shop", name="p")]),
        ([], [ClusterKey(kind="EndpointSlice", namespace="shop", name="db-6")]),
        ([service("web", clusterIP="10.96.0.11")], [ClusterKey(kind="Service", namespace="shop", name="db")]),
        ([], [ClusterKey(kind="Namespace", namespace="", name="empty")]),
        ([slice_of("web", ("10.244.1.2", True, ""), suffix="1")], []),
        ([service("db", clusterIP="None")], []),
    ]
    for changed, removed in steps:
        view.update(changed, removed)
        keys = [Key(w["kind"], w["metadata"].get("namespace", ""), w["metadata"]["name"]) for w in changed]
        zone.apply(view, [*keys, *(Key(key.kind, key.namespace, key.name) for key in removed)])
        fresh = zone_of(view)
        assert zone._records == fresh._records
        assert zone._names == fresh._names
        assert zone._pods == fresh._pods
    assert ask(zone, "db.shop.svc.cluster.local", "A")[0] == ["A 10.244.1.4"]
    assert ask(zone, "web.shop.svc.cluster.local", "A")[0] == ["A 10.96.0.11"]
