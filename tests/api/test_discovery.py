"""Discovery, OpenAPI, version, health and metrics."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from controlplane.api import discovery, process
from controlplane.store import objects
from schema import kinds
from tests.api.client import CONFIG_MAPS, PODS, Api, config_map, pod

SERVED = (*kinds.ALL, *kinds.DERIVED)
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def test_legacy_discovery_names_every_kind(api: Api):
    assert api.get("/api")[1]["versions"] == ["v1"]
    groups = api.get("/apis")[1]["groups"]
    assert {group["name"] for group in groups} == {kind.group for kind in SERVED} - {""}
    assert api.get("/apis/coordination.k8s.io")[1]["preferredVersion"]["groupVersion"] == "coordination.k8s.io/v1"
    found = {}
    for path in ("/api/v1", *(f"/apis/{kind.api_version}" for kind in kinds.ALL if kind.group)):
        for entry in api.get(path)[1]["resources"]:
            found[entry["name"]] = entry
    assert {kind.plural for kind in kinds.ALL} <= set(found)
    assert found["pods"]["shortNames"] == ["po"]
    assert "all" in found["pods"]["categories"]
    assert "watch" in found["pods"]["verbs"]
    assert found["pods/status"]["kind"] == "Pod"
    assert {key: found["pods/eviction"][key] for key in ("group", "version", "kind")} == {
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
    }


def test_discovery_tells_what_the_views_do(api: Api):
    """A verb that is listed is not refused as a method, one that is not is."""
    for entry in api.get("/api/v1")[1]["resources"]:
        if entry["name"] == "namespaces":
            assert "deletecollection" not in entry["verbs"]
            assert api.delete("/api/v1/namespaces")[0] == 405


@pytest.mark.parametrize("path", ["/version/", "/api/", "/apis/", "/api/v1/", "/openapi/v3/", f"{PODS}/"])
def test_trailing_slashes_are_tolerated(api: Api, path: str):
    assert api.get(path)[0] == 200


def test_aggregated_discovery_is_typed_as_it_was_asked_for(api: Api):
    core = api.get("/api", Accept=AGGREGATED)[1]
    assert api.headers["Content-Type"] == discovery.AGGREGATED_TYPE
    assert core["kind"] == "APIGroupDiscoveryList"
    resources = {entry["resource"]: entry for entry in core["items"][0]["versions"][0]["resources"]}
    assert resources["pods"]["scope"] == "Namespaced"
    assert resources["nodes"]["scope"] == "Cluster"
    assert resources["pods"]["responseKind"] == {"group": "", "version": "v1", "kind": "Pod"}
    parts = {entry["subresource"]: entry for entry in resources["pods"]["subresources"]}
    assert all(entry["responseKind"]["kind"] for entry in parts.values())
    named = api.get("/apis", Accept=AGGREGATED)[1]
    assert {item["metadata"]["name"] for item in named["items"]} == {kind.group for kind in SERVED} - {""}


def test_openapi_is_kept_by_hash_and_checked_by_tag(api: Api):
    index = api.get("/openapi/v3")[1]
    tag = api.headers["ETag"]
    served = [*kinds.ALL, *(each.kind for each in kinds.VERSIONS)]
    assert set(index["paths"]) == {"api/v1", *(f"apis/{kind.api_version}" for kind in served if kind.group)}
    code, nothing = api.get("/openapi/v3", **{"If-None-Match": tag})
    assert (code, nothing) == (304, b"")
    address = index["paths"]["api/v1"]["serverRelativeURL"]
    code, document = api.get(address)
    assert code == 200
    assert "immutable" in api.headers["Cache-Control"]
    assert document["openapi"].startswith("3.")
    api.get("/openapi/v3/api/v1?hash=OLD")
    assert "immutable" not in api.headers["Cache-Control"]
    assert api.get("/openapi/v3/apis/nobody.example/v1")[0] == 404
    assert api.get("/openapi/v2")[0] == 404


def test_every_kind_can_be_validated_by_kubectl(api: Api):
    """kubectl refuses to send what has no PATCH with a fieldValidation parameter."""
    for path in ("api/v1", "apis/coordination.k8s.io/v1"):
        document = api.get(f"/openapi/v3/{path}")[1]
        offered = set()
        for operations in document["paths"].values():
            patch = operations.get("patch", {})
            if any(each.get("name") == "fieldValidation" for each in patch.get("parameters", [])):
                offered.add(patch["x-kubernetes-group-version-kind"]["kind"])
        group = "" if path == "api/v1" else "coordination.k8s.io"
        assert {kind.kind for kind in kinds.ALL if kind.group == group} <= offered


def test_the_version_is_nine_strings_and_open_to_everybody(api: Api):
    code, found = api.get("/version", authorization="")
    assert code == 200
    assert len(found) == 9
    assert all(isinstance(value, str) for value in found.values())
    assert found["gitVersion"].startswith("v1.37.")
    assert "+slipway" in found["gitVersion"]


# -- health


class _Feed:
    revision = 5


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "feed", _Feed())


@pytest.mark.usefixtures("feed")
def test_everybody_may_ask_whether_we_are_well(api: Api):
    for path in ("/healthz", "/livez", "/readyz"):
        assert api.get(path, authorization="") == (200, b"ok")


@pytest.mark.usefixtures("feed")
def test_details_are_for_those_with_a_credential(api: Api):
    code, text = api.get("/readyz?verbose")
    assert code == 200, text
    assert b"[+]database ok" in text
    assert b"[+]migrations ok" in text
    assert b"[~]redis degraded" in text  # none runs here, and that does not make us unready
    assert api.get("/readyz/database")[0] == 200
    assert api.get("/readyz/nothing")[0] == 404
    assert api.get("/readyz/database", authorization="")[0] == 401


def test_without_a_feed_we_are_not_ready_but_alive(api: Api):
    code, text = api.get("/readyz", authorization="")
    assert (code, text) == (500, b"not ready")
    assert b"[-]feed" in api.get("/readyz?verbose")[1]
    assert api.get("/livez")[0] == 200


@pytest.mark.usefixtures("feed")
def test_a_server_that_stops_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "draining", True)
    assert api.get("/readyz")[0] == 500


@pytest.mark.usefixtures("feed")
def test_a_database_that_is_away_makes_us_unready_and_requests_retriable(api: Api, monkeypatch: pytest.MonkeyPatch):
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("no such host")

    monkeypatch.setattr(objects, "current_revision", away)
    assert api.get("/readyz")[0] == 500
    monkeypatch.setattr(objects, "get_encoded", away)
    code, status = api.get(f"{PODS}/web")
    assert (code, status["reason"], api.headers["Retry-After"]) == (503, "ServiceUnavailable", "1")
    assert "no such host" not in status["message"]


# -- metrics


def test_metrics_count_requests_and_the_cluster(api: Api):
    api.created(PODS, pod())
    api.created(CONFIG_MAPS, config_map())
    code, text = api.get("/metrics")
    lines = text.decode().splitlines()
    assert code == 200
    assert 'slipway_pods{phase="Pending"} 1.0' in lines
    assert 'apiserver_storage_objects{resource="configmaps"} 1.0' in lines
    assert any(line.startswith("slipway_revision ") for line in lines)
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
