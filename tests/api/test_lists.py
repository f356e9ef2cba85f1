"""Lists: selectors, pages, versions, the Table form, and what each costs in queries."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.client import CONFIG_MAPS, PODS, Api, config_map, pod

TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


@pytest.fixture
def three(api: Api) -> Api:
    for name, tier in (("a", "web"), ("b", "web"), ("c", "db")):
        api.created(PODS, pod(name, metadata={"name": name, "labels": {"tier": tier}}))
    api.created("/api/v1/namespaces/kube-system/pods", pod("system"))
    return api


def test_an_empty_list_has_items(api: Api):
    code, answer = api.get("/api/v1/namespaces/nowhere/pods")
    assert (code, answer["kind"], answer["apiVersion"], answer["items"]) == (200, "PodList", "v1", [])
    assert answer["metadata"]["resourceVersion"].isdecimal()


def test_a_list_is_of_one_namespace_or_of_all(three: Api):
    assert names(three.get(PODS)[1]) == ["a", "b", "c"]
    assert names(three.get("/api/v1/pods")[1]) == ["a", "b", "c", "system"]
    assert all(item["kind"] == "Pod" for item in three.get(PODS)[1]["items"])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=tier%3Dweb", ["a", "b"]),
        ("labelSelector=tier!%3Dweb", ["c"]),
        ("labelSelector=tier in (web,db)".replace(" ", "%20"), ["a", "b", "c"]),
        ("labelSelector=!tier", []),
        ("fieldSelector=metadata.name%3Db", ["b"]),
        ("fieldSelector=metadata.name%3Db,metadata.name%3Db", ["b"]),
        ("fieldSelector=status.phase!%3DPending", []),
        ("fieldSelector=spec.nodeName%3D", ["a", "b", "c"]),
        ("labelSelector=tier%3Dweb&fieldSelector=metadata.name!%3Da", ["b"]),
        ("resourceVersion=0", ["a", "b", "c"]),
        ("timeout=32s&unknown=1", ["a", "b", "c"]),
    ],
)
def test_selectors(three: Api, query: str, expected: list[str]):
    assert names(three.get(f"{PODS}?{query}")[1]) == expected


def test_pages_cover_the_list_once(three: Api):
    seen, token = [], ""
    while True:
        answer = three.get(f"{PODS}?limit=2&continue={token}")[1]
        seen += names(answer)
        token = answer["metadata"].get("continue", "")
        if not token:
            break
        assert answer["metadata"]["remainingItemCount"] == 1
    assert seen == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("labelSelector=a%3D%3D%3Db", 400, "BadRequest"),
        ("fieldSelector=spec.colour%3Dred", 400, "BadRequest"),
        ("fieldSelector=metadata.name%3D%00", 400, "BadRequest"),
        ("limit=many", 400, "BadRequest"),
        ("continue=nonsense", 400, "BadRequest"),
        ("resourceVersion=x", 400, "BadRequest"),
        ("resourceVersion=999999999", 504, "Timeout"),
        ("resourceVersion=1&resourceVersionMatch=Exact", 410, "Expired"),
        ("resourceVersionMatch=Exact", 422, "Invalid"),
        ("resourceVersion=1&resourceVersionMatch=Roughly", 422, "Invalid"),
        ("sendInitialEvents=true", 422, "Invalid"),
        ("includeObject=Some", 400, "BadRequest"),
        ("watch=true&sendInitialEvents=true", 422, "Invalid"),
        ("watch=true&continue=x", 422, "Invalid"),
    ],
)
def test_a_list_that_cannot_be(three: Api, query: str, code: int, reason: str):
    got, status = three.get(f"{PODS}?{query}")
    assert (got, status.get("reason")) == (code, reason), status


def test_the_table_form_is_what_kubectl_prints(three: Api):
    code, table = three.get(f"{PODS}?limit=500", Accept=TABLE)
    assert (code, table["kind"], table["apiVersion"]) == (200, "Table", "meta.k8s.io/v1")
    shown = [column["name"] for column in table["columnDefinitions"] if column["priority"] == 0]
    assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]
    first = table["rows"][0]
    assert first["cells"][:4] == ["a", "0/1", "Pending", "0"]
    assert len(first["cells"]) == len(table["columnDefinitions"])
    assert first["object"]["kind"] == "PartialObjectMetadata"
    assert first["object"]["metadata"]["labels"] == {"tier": "web"}
    assert table["metadata"]["resourceVersion"].isdecimal()


def test_table_rows_hold_as_much_of_the_object_as_asked_for(three: Api):
    whole = three.get(f"{PODS}?includeObject=Object", Accept=TABLE)[1]
    assert whole["rows"][0]["object"]["spec"]["containers"]
    none = three.get(f"{PODS}?includeObject=None", Accept=TABLE)[1]
    assert "object" not in none["rows"][0]


def test_single_objects_and_errors_in_table_form(three: Api):
    code, table = three.get(f"{PODS}/a", Accept=TABLE)
    assert (code, table["kind"], len(table["rows"])) == (200, "Table", 1)
    code, status = three.get(f"{PODS}/z", Accept=TABLE)
    assert (code, status["kind"]) == (404, "Status")


def test_metadata_alone_can_be_asked_for(three: Api):
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    answer = three.get(PODS, Accept=accept)[1]
    assert answer["kind"] == "PartialObjectMetadataList"
    assert set(answer["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_every_kind_has_a_table(api: Api):
    from schema import kinds

    for kind in kinds.ALL:
        prefix = f"/apis/{kind.group}" if kind.group else "/api"
        code, table = api.get(f"{prefix}/{kind.version}/{kind.plural}", Accept=TABLE)
        assert (code, table["kind"]) == (200, "Table"), kind.kind
        assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])


@pytest.mark.parametrize(
    ("method", "path", "body", "queries"),
    [
        ("GET", f"{PODS}/a", None, 1),
        ("GET", PODS, None, 1),
        ("GET", f"{PODS}?labelSelector=tier%3Dweb", None, 1),
        ("GET", f"{PODS}?limit=2", None, 2),
        ("POST", CONFIG_MAPS, config_map("new"), 9),
        ("PATCH", f"{CONFIG_MAPS}/old", {"data": {"a": "2"}}, 8),
        ("DELETE", f"{CONFIG_MAPS}/old", None, 7),
    ],
)
def test_requests_take_a_fixed_number_of_queries(three: Api, method: str, path: str, body: Any, queries: int):
    three.created(CONFIG_MAPS, config_map("old", a="1"))
    media = "application/merge-patch+json" if method == "PATCH" else "application/json"
    three.get(PODS)  # the token is known from now on
    with CaptureQueriesContext(
        connection,
    ) as captured:
        code, answer = three.send(method, path, body, media=media)
    assert code in (200, 201), answer
    assert len(captured) == queries, [query["sql"] for query in captured]
