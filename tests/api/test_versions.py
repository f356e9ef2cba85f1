"""An autoscaler in both of its versions: one object, read, written and watched as autoscaling/v1 and v2."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest

from controlplane.api import presentation, routing, watching
from controlplane.api.query import ListOptions
from controlplane.store import objects
from schema import kinds
from tests.api.client import JSON_PATCH, MERGE, STRATEGIC, Api

pytestmark = pytest.mark.django_db(transaction=True)

V1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
V2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
METRICS = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def resource(name: str, percentage: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percentage}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def first(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 5, **spec},
    }


def rich() -> dict[str, Any]:
    down = {"stabilizationWindowSeconds": 9}
    spec = {"metrics": [resource("memory", 70), resource("cpu", 60)], "behavior": {"scaleDown": down}}
    return {**first(**spec), "apiVersion": "autoscaling/v2"}


def test_what_is_written_as_one_is_read_as_the_other(api: Api) -> None:
    made = api.created(V1, first(targetCPUUtilizationPercentage=50))
    assert (made["apiVersion"], made["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 50)
    _, second = api.get(f"{V2}/web")
    assert (second["apiVersion"], second["spec"]["metrics"]) == ("autoscaling/v2", [resource("cpu", 50)])
    assert second["metadata"]["uid"] == made["metadata"]["uid"]
    assert "annotations" not in second["metadata"]


def test_without_a_percentage_the_default_is_shown(api: Api) -> None:
    assert api.created(V1, first())["spec"]["targetCPUUtilizationPercentage"] == 80


@pytest.mark.parametrize(
    ("media", "change"),
    [
        (MERGE, {"spec": {"maxReplicas": 9}}),
        (STRATEGIC, {"spec": {"maxReplicas": 9}}),
        (JSON_PATCH, [{"op": "replace", "path": "/spec/maxReplicas", "value": 9}]),
        ("", None),
    ],
    ids=["merge", "strategic", "json", "put"],
)
def test_who_changes_it_through_the_first_version_loses_nothing(api: Api, media: str, change: Any) -> None:
    api.created(V2, rich())
    before = api.get(f"{V2}/web")[1]["spec"]
    shown = api.get(f"{V1}/web")[1]
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 60
    assert json.loads(shown["metadata"]["annotations"][METRICS]) == [resource("memory", 70)]
    if media:
        code, answer = api.patch(f"{V1}/web", change, media=media)
    else:
        shown["spec"]["maxReplicas"] = 9
        code, answer = api.put(f"{V1}/web", shown)
    assert (code, answer["apiVersion"]) == (200, "autoscaling/v1")
    after = api.get(f"{V2}/web")[1]
    assert after["spec"].pop("maxReplicas") == 9
    del before["maxReplicas"]
    after["spec"]["metrics"].sort(key=lambda one: one["resource"]["name"] == "cpu")
    assert after["spec"] == before
    assert "annotations" not in after["metadata"]


def test_a_write_of_the_status_keeps_what_the_first_version_does_not_know(api: Api) -> None:
    api.created(V2, rich())
    condition = {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": ""}
    current = {"name": "cpu", "current": {"averageUtilization": 33}}
    status = {
        "conditions": [condition],
        "currentMetrics": [{"type": "Resource", "resource": current}],
        "currentReplicas": 2,
    }
    objects.mutate(
        kinds.HORIZONTAL_POD_AUTOSCALER, "default", "web", lambda old: {**old, "status": status}, subresource="status"
    )
    assert api.get(f"{V1}/web")[1]["status"]["currentCPUUtilizationPercentage"] == 33
    code, _ = api.patch(f"{V1}/web/status", {"status": {"desiredReplicas": 3}}, media=MERGE)
    assert code == 200
    after = api.get(f"{V2}/web")[1]["status"]
    assert (after["desiredReplicas"], after["currentReplicas"]) == (3, 2)
    assert after["conditions"] == [condition]
    assert after["currentMetrics"] == status["currentMetrics"]


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (first(targetCPUUtilizationPercentage="much"), "spec.targetCPUUtilizationPercentage"),
        (first(targetCPUUtilizationPercentage=0), "spec.targetCPUUtilizationPercentage"),
        (first(minReplicas=6), "spec.maxReplicas"),
        ({**first(), "spec": {"maxReplicas": 1}}, "spec.scaleTargetRef"),
        ({**first(), "spec": 5}, "spec"),
        ({**first(), "metadata": {"name": "web", "annotations": {METRICS: "{"}}}, f"metadata.annotations[{METRICS}]"),
        (
            {**first(), "metadata": {"name": "web", "annotations": {BEHAVIOR: "[]"}}},
            f"metadata.annotations[{BEHAVIOR}]",
        ),
        (
            {**first(), "metadata": {"name": "web", "annotations": {METRICS: '[{"type": "Odd"}]'}}},
            "spec.metrics[0].type",
        ),
        (
            {**first(), "metadata": {"name": "web", "annotations": {BEHAVIOR: '{"scaleUp": 1}'}}},
            "spec.behavior.scaleUp",
        ),
        ({**first(), "metadata": {"name": "web", "annotations": 7}}, "metadata.annotations"),
    ],
)
def test_bad_input_names_the_field(api: Api, wire: dict[str, Any], field: str) -> None:
    code, answer = api.post(V1, wire)
    assert code == 422, answer
    assert field in {cause["field"] for cause in answer["details"]["causes"]}


def test_fields_of_the_other_version_are_unknown(api: Api) -> None:
    code, answer = api.post(f"{V1}?fieldValidation=Strict", first(metrics=[]))
    assert (code, "spec.metrics" in answer["message"]) == (400, True)
    code, answer = api.post(V1, {**first(), "apiVersion": "autoscaling/v2"})
    assert (code, "does not match" in answer["message"]) == (400, True)


def test_lists_and_tables(api: Api) -> None:
    api.created(V2, rich())
    _, found = api.get("/apis/autoscaling/v1/horizontalpodautoscalers")
    assert (found["apiVersion"], found["kind"]) == ("autoscaling/v1", "HorizontalPodAutoscalerList")
    assert found["items"][0]["apiVersion"] == "autoscaling/v1"
    assert found["items"][0]["spec"]["targetCPUUtilizationPercentage"] == 60
    for path in (V1, f"{V1}/web"):
        _, table = api.get(f"{path}?includeObject=Object", Accept=TABLE)
        assert table["rows"][0]["object"]["apiVersion"] == "autoscaling/v1"
        assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"]) > 4
    code, answer = api.delete(f"{V1}/web")
    assert (code, answer["status"]) == (200, "Success")
    assert api.get(f"{V2}/web")[0] == 404


def test_watches(api: Api) -> None:
    api.created(V2, rich())
    target = routing.parse(V1)
    assert target is not None
    options = ListOptions.parse({"watch": "true", "timeoutSeconds": "1"}, target.kind)
    watch = watching.open_watch(target, options, presentation.Presentation(), "Metadata")
    change = objects.mutate(
        kinds.HORIZONTAL_POD_AUTOSCALER,
        "default",
        "web",
        lambda old: {**old, "spec": {**old["spec"], "maxReplicas": 7}},
    )

    async def lines() -> list[dict[str, Any]]:
        found = []
        async for chunk in watch.events():
            found += [orjson.loads(each) for each in chunk.splitlines()]
            if found[-1]["type"] == "MODIFIED":
                break
        return found

    told = asyncio.run(lines())
    assert [(each["type"], each["object"]["apiVersion"]) for each in told] == [
        ("ADDED", "autoscaling/v1"),
        ("MODIFIED", "autoscaling/v1"),
    ]
    assert told[1]["object"]["metadata"]["resourceVersion"] == change["metadata"]["resourceVersion"]
    assert told[1]["object"]["spec"]["maxReplicas"] == 7
    assert "metrics" not in told[1]["object"]["spec"]


def test_the_second_is_preferred_and_both_are_described(api: Api) -> None:
    _, group = api.get("/apis/autoscaling")
    assert group["preferredVersion"]["version"] == "v2"
    assert [each["version"] for each in group["versions"]] == ["v2", "v1"]
    (entry,) = [each for each in api.get("/apis/autoscaling/v1")[1]["resources"] if "/" not in each["name"]]
    assert (entry["name"], entry["shortNames"]) == ("horizontalpodautoscalers", ["hpa"])
    _, document = api.get("/openapi/v3/apis/autoscaling/v1")
    schemas = document["components"]["schemas"]
    spec = schemas["io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec"]
    assert "targetCPUUtilizationPercentage" in spec["properties"]
    assert V1.replace("default", "{namespace}") in document["paths"]
