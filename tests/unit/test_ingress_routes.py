"""Which requests lead where, decided without a proxy."""

from __future__ import annotations

from typing import Any

import pytest

from nodeagent.ingress import routes
from schema.base import Wire
from schema.networking.ingress import CONTROLLER


def service(name: str, *ports: tuple[str, int], address: str = "10.96.0.7", **spec: Any) -> tuple[routes.Key, Wire]:
    wire = {
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"clusterIP": address, "ports": [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports], **spec},
    }
    return ("shop", name), wire


SERVICES = dict([service("web", ("http", 80)), service("api", ("rest", 8080), ("admin", 9000))])


def to(name: str, port: str | int) -> Wire:
    return {"service": {"name": name, "port": {"name": port} if isinstance(port, str) else {"number": port}}}


def path(text: str, name: str = "web", port: str | int = 80, kind: str = "Prefix") -> Wire:
    return {"path": text, "pathType": kind, "backend": to(name, port)}


def ingress(name: str, *rules: tuple[str, list[Wire]], made: str = "2026-01-01T00:00:00Z", **more: Any) -> Wire:
    annotations = more.pop("annotations", {})
    return {
        "metadata": {"namespace": "shop", "name": name, "creationTimestamp": made, "annotations": annotations},
        "spec": {
            "ingressClassName": "slipway",
            "rules": [{"host": host, "http": {"paths": paths}} for host, paths in rules],
            **more,
        },
    }


CLASSES = [
    {"metadata": {"name": "slipway"}, "spec": {"controller": CONTROLLER}},
    {"metadata": {"name": "other"}, "spec": {"controller": "example.org/other"}},
]


def backend_names(site: routes.Site) -> dict[str, str | None]:
    found = {**site.prefixes, **{f"={key}": value for key, value in site.exact.items()}}
    return {key: value.name if value else None for key, value in found.items()}


def test_paths_lead_to_ports_by_name_and_number() -> None:
    paths = [path("/"), path("/api/", "api", "rest"), path("/exact", "api", 9000, "Exact")]
    table = routes.table([ingress("i", ("a.test", paths))], SERVICES, {})
    assert backend_names(table.sites["a.test"]) == {
        "": "shop:web:80:http",
        "/api": "shop:api:8080:http",
        "=/exact": "shop:api:9000:http",
    }
    assert table.backends[0].servers == (("10.96.0.7", 8080),)


@pytest.mark.parametrize("backend", [to("none", 80), to("web", 81), to("web", "https")])
def test_what_does_not_exist_keeps_its_path(backend: Wire) -> None:
    table = routes.table(
        [ingress("i", ("a.test", [{"path": "/x", "pathType": "Prefix", "backend": backend}]))], SERVICES, {}
    )
    assert table.sites["a.test"].prefixes == {"/x": None}


def test_the_older_ingress_has_a_path_that_two_claim() -> None:
    first = ingress("z", ("a.test", [path("/x", "web")]), made="2026-01-01T00:00:00Z")
    second = ingress("a", ("a.test", [path("/x", "api", 8080), path("/y", "api", 8080)]), made="2026-01-02T00:00:00Z")
    ordered = routes.served([second, first], CLASSES)
    site = routes.table(ordered, SERVICES, {}).sites["a.test"]
    assert backend_names(site) == {"/x": "shop:web:80:http", "/y": "shop:api:8080:http"}


def test_other_classes_are_others_to_serve() -> None:
    foreign = ingress("i", ("a.test", [path("/")]))
    foreign["spec"]["ingressClassName"] = "other"
    unnamed = ingress("j", ("a.test", [path("/")]))
    del unnamed["spec"]["ingressClassName"]
    assert routes.served([foreign, unnamed], CLASSES) == []


def test_a_default_backend_stands_behind_the_rules_of_its_ingress() -> None:
    table = routes.table([ingress("i", ("a.test", [path("/x")]), defaultBackend=to("api", 8080))], SERVICES, {})
    site = table.sites["a.test"]
    assert site.default is not None
    assert site.default.service == "api"
    assert routes.EVERY_HOST not in table.sites


def test_a_default_backend_alone_is_for_every_host() -> None:
    alone = ingress("i", defaultBackend=to("api", 8080))
    table = routes.table([alone, ingress("j", ("a.test", [path("/x")]))], SERVICES, {})
    for host in (routes.EVERY_HOST, "a.test"):
        default = table.sites[host].default
        assert default is not None
        assert default.service == "api"


def test_a_headless_service_stands_for_its_ready_endpoints() -> None:
    services = dict([service("db", ("http", 80), address="None")])
    piece = {
        "ports": [{"name": "http", "port": 8000}],
        "endpoints": [
            {"addresses": ["10.1.0.2"], "conditions": {"ready": True}},
            {"addresses": ["10.1.0.3"], "conditions": {"ready": False}},
            {"addresses": ["10.1.0.4"]},
        ],
    }
    table = routes.table([ingress("i", ("a.test", [path("/", "db")]))], services, {("shop", "db"): [piece]})
    assert table.backends[0].servers == (("10.1.0.2", 8000), ("10.1.0.4", 8000))


def test_tls_hosts_are_redirected_unless_told_otherwise() -> None:
    tls = [{"hosts": ["a.test"], "secretName": "cert"}]
    table = routes.table([ingress("i", ("a.test", [path("/")]), ("b.test", [path("/")]), tls=tls)], SERVICES, {})
    assert [table.sites[host].redirect for host in ("a.test", "b.test")] == [True, False]
    plain = ingress("i", ("a.test", [path("/")]), tls=tls, annotations={routes.SSL_REDIRECT: "false"})
    assert not routes.table([plain], SERVICES, {}).sites["a.test"].redirect


def test_certificates_are_the_named_secret_or_the_ingress_s_own() -> None:
    tls = [{"hosts": ["a.test"], "secretName": "cert"}, {"hosts": ["b.test"]}]
    table = routes.table([ingress("i", ("a.test", [path("/")]), tls=tls)], SERVICES, {})
    assert [(one.hosts, one.secret) for one in table.certificates] == [
        (("a.test",), ("shop", "cert")),
        (("b.test",), ("shop", "i-tls")),
    ]


def test_a_host_has_the_certificate_of_the_older_ingress() -> None:
    older = ingress("i", ("a.test", [path("/")]), tls=[{"hosts": ["a.test"], "secretName": "one"}])
    newer = ingress("j", ("a.test", [path("/y")]), tls=[{"hosts": ["a.test", "b.test"], "secretName": "two"}])
    table = routes.table([older, newer], SERVICES, {})
    assert [(one.hosts, one.secret[1]) for one in table.certificates] == [(("a.test",), "one"), (("b.test",), "two")]


@pytest.mark.parametrize(
    ("word", "protocol"), [("HTTP", "http"), ("https", "https"), ("GRPC", "h2c"), ("H2C", "h2c"), ("nonsense", "http")]
)
def test_the_protocol_of_the_backend(word: str, protocol: str) -> None:
    one = ingress("i", ("a.test", [path("/")]), annotations={routes.BACKEND_PROTOCOL: word})
    assert routes.table([one], SERVICES, {}).backends[0].name == f"shop:web:80:{protocol}"
