"""Custom kinds through the API: definitions, their objects, and what becomes of both."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from controlplane.access import tokens
from controlplane.access.models import Grant
from controlplane.api import process, tables
from controlplane.api.discovery import AGGREGATED_TYPE
from controlplane.api.handler import Handler
from controlplane.store import definitions, feed, objects
from controlplane.store.errors import NotFound
from schema import kinds
from tests.api.asgi import AsgiClient
from tests.api.client import JSON_PATCH, STRATEGIC, Api, administrator_token, config_map
from tests.api.cluster_objects import namespace
from tests.api.custom import DEFINITIONS, WIDGETS, condition, definition, version, widget
from tests.api.pump import pumping
from tests.api.test_lists import TABLE

pytestmark = pytest.mark.django_db
committing = pytest.mark.django_db(transaction=True)
"""For what controllers and watches are told of: they hear of commits."""
WIDGET_DEFINITION = f"{DEFINITIONS}/widgets.example.com"


@pytest.fixture
def widgets(api: Api) -> Api:
    api.created(DEFINITIONS, definition(names={"shortNames": ["wd"], "categories": ["all"]}))
    return api


def fields(answer: Any) -> set[str]:
    return {cause["field"] for cause in answer["details"]["causes"]}


# -- definitions


def test_a_definition_is_served_the_moment_it_is_made(api):
    assert api.get(WIDGETS)[0] == 404
    made = api.created(DEFINITIONS, definition())
    assert condition(made, "NamesAccepted")["status"] == condition(made, "Established")["status"] == "True"
    assert made["status"]["acceptedNames"]["listKind"] == "WidgetList"
    assert made["status"]["storedVersions"] == ["v1"]
    assert api.get(WIDGETS)[1]["kind"] == "WidgetList"
    assert api.get("/apis/example.com/v1/widgets")[0] == 200
    assert api.get("/apis/example.com/v2/widgets")[0] == 404


def test_a_faulty_definition_is_refused_by_its_fields(api):
    code, answer = api.post(
        DEFINITIONS, definition(conversion={"strategy": "Webhook"}, versions=[version(schema=None)])
    )
    assert code == 422
    assert {"spec.conversion.strategy", "spec.versions[0].schema.openAPIV3Schema"} <= fields(answer)


@committing
def test_names_that_another_has_are_not_accepted_until_they_are_free(api):
    api.created(DEFINITIONS, definition())
    second = api.created(DEFINITIONS, definition("gadgets", kind="Widget"))
    accepted = condition(second, "NamesAccepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "SingularConflict")
    assert condition(second, "Established")["status"] == "False"
    assert api.get("/apis/example.com/v1/gadgets")[0] == 404
    elsewhere = api.created(DEFINITIONS, definition("widgets", group="other.example.com"))
    assert condition(elsewhere, "Established")["status"] == "True"
    with pumping() as pump:
        api.delete(WIDGET_DEFINITION)
        pump.settle()
    assert api.get(WIDGET_DEFINITION)[0] == 404
    assert api.get("/apis/example.com/v1/gadgets")[0] == 200


@pytest.mark.parametrize(("plural", "group"), [("ingresses", "networking.k8s.io"), ("things", "slipway.dev")])
def test_the_names_of_built_in_kinds_are_taken(api, plural, group):
    wire = definition(plural, group=group, kind="Ingress" if plural == "ingresses" else "Thing")
    wire["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
    made = api.created(DEFINITIONS, wire)
    assert condition(made, "NamesAccepted")["status"] == "False"
    assert api.get(f"/apis/{group}/v1/things")[0] == 404


def test_what_is_served_follows_each_change_of_its_definition(widgets):
    widgets.created(WIDGETS, widget())
    changed = definition(versions=[version(schema={"openAPIV3Schema": {"type": "object", "properties": {}}})])
    changed["spec"]["versions"][0] |= {"additionalPrinterColumns": [], "selectableFields": []}
    code, answer = widgets.put(WIDGET_DEFINITION, changed)
    assert code == 200, answer
    assert widgets.created(WIDGETS, widget("two")).get("spec") is None
    code, answer = widgets.patch(WIDGET_DEFINITION, {"spec": {"scope": "Cluster"}})
    assert (code, fields(answer)) == (422, {"spec.scope"})
    withdrawn = widgets.get(WIDGET_DEFINITION)[1]
    withdrawn["spec"]["versions"][0]["served"] = False
    assert widgets.put(WIDGET_DEFINITION, withdrawn)[0] == 200
    assert widgets.get(WIDGETS)[0] == 404


# -- objects


def test_an_object_is_pruned_and_filled_in_and_unknown_fields_are_told(widgets):
    made = widgets.created(
        WIDGETS, widget(spec={"size": 1, "colour": "x", "parts": [{"name": "a"}]}, status={"phase": "x"})
    )
    assert made["spec"] == {"size": 1, "color": "red", "parts": [{"name": "a", "count": 1}]}
    assert "status" not in made
    assert 'unknown field \\"spec.colour\\"' in widgets.headers["Warning"]
    code, answer = widgets.post(f"{WIDGETS}?fieldValidation=Strict", widget("two", spec={"size": 1, "colour": "x"}))
    assert code == 400
    assert 'unknown field "spec.colour"' in answer["message"]


def test_a_faulty_object_is_refused_by_its_fields(widgets):
    code, answer = widgets.post(WIDGETS, widget(spec={"color": "blue", "code": "A1", "port": 1.5, "since": "now"}))
    assert code == 422
    assert fields(answer) == {"spec.size", "spec.color", "spec.code", "spec.port", "spec.since"}
    assert answer["details"]["kind"] == "Widget"


def test_the_generation_counts_changes_of_all_but_metadata_and_status(widgets):
    widgets.created(WIDGETS, widget())
    one = f"{WIDGETS}/one"
    assert widgets.patch(one, {"metadata": {"labels": {"a": "b"}}})[1]["metadata"]["generation"] == 1
    assert widgets.patch(one, {"spec": {"size": 4}})[1]["metadata"]["generation"] == 2
    code, told = widgets.patch(f"{one}/status", {"spec": {"size": 5}, "status": {"phase": "Ready"}})
    assert (code, told["spec"]["size"], told["status"], told["metadata"]["generation"]) == (
        200,
        4,
        {"phase": "Ready"},
        2,
    )
    code, told = widgets.patch(one, [{"op": "replace", "path": "/spec/size", "value": 6}], media=JSON_PATCH)
    assert (code, told["spec"]["size"], told["metadata"]["generation"]) == (200, 6, 3)
    assert widgets.patch(one, {"status": {"phase": "Lost"}})[1]["status"] == {"phase": "Ready"}
    assert widgets.patch(f"{one}/status", {"status": {"phase": None}})[1].get("status") is None


def test_without_the_subresource_the_status_is_content(api):
    plain = definition(versions=[version(subresources=None)])
    api.created(DEFINITIONS, plain)
    made = api.created(WIDGETS, widget(status={"phase": "Ready"}))
    assert made["status"] == {"phase": "Ready"}
    code, changed = api.patch(f"{WIDGETS}/one", {"status": {"phase": "Busy"}})
    assert (code, changed["status"], changed["metadata"]["generation"]) == (200, {"phase": "Busy"}, 2)
    assert api.get(f"{WIDGETS}/one/status")[0] == 404
    assert api.get(f"{WIDGETS}/one/scale")[0] == 404


def test_a_strategic_patch_has_no_types_to_go_by(widgets):
    widgets.created(WIDGETS, widget())
    assert widgets.patch(f"{WIDGETS}/one", {"spec": {"size": 4}}, media=STRATEGIC)[0] == 415


def test_replicas_are_scaled_where_the_definition_says(widgets):
    widgets.created(WIDGETS, widget())
    widgets.patch(f"{WIDGETS}/one/status", {"status": {"replicas": 2, "selector": "app=one"}})
    code, scale = widgets.patch(f"{WIDGETS}/one/scale", {"spec": {"replicas": 5}})
    assert (code, scale["kind"], scale["spec"]) == (200, "Scale", {"replicas": 5})
    assert scale["status"] == {"replicas": 2, "selector": "app=one"}
    assert widgets.get(f"{WIDGETS}/one")[1]["spec"]["replicas"] == 5


def test_lists_are_selected_and_come_in_pages(widgets):
    for name, color in (("a", "red"), ("b", "green"), ("c", "red")):
        widgets.created(WIDGETS, widget(name, metadata={"labels": {"name": name}}, spec={"size": 1, "color": color}))

    def names(query: str) -> list[str]:
        return [each["metadata"]["name"] for each in widgets.get(f"{WIDGETS}?{query}")[1]["items"]]

    assert names("fieldSelector=spec.color%3Dred") == ["a", "c"]
    assert names("labelSelector=name%20in%20(b,c)") == ["b", "c"]
    assert names("fieldSelector=metadata.name%3Db") == ["b"]
    first = widgets.get(f"{WIDGETS}?limit=2")[1]
    widgets.delete(f"{WIDGETS}/c")
    assert names(f"limit=2&continue={first['metadata']['continue']}") == ["c"]
    assert widgets.get(f"{WIDGETS}?fieldSelector=spec.size%3D1")[0] == 400
    widgets.delete(f"{WIDGETS}?labelSelector=name%3Da")
    assert names("") == ["b"]


def test_kinds_in_one_table_do_not_see_each_other(widgets):
    widgets.created(DEFINITIONS, definition("gadgets", scope="Cluster"))
    gadgets = "/apis/example.com/v1/gadgets"
    widgets.created(WIDGETS, widget("same"))
    widgets.created(gadgets, {**widget("same", spec={"size": 9}), "kind": "Gadget"})
    assert [each["spec"]["size"] for each in widgets.get(gadgets)[1]["items"]] == [9]
    assert widgets.get(f"{WIDGETS}/same")[1]["spec"]["size"] == 3
    assert widgets.delete(f"{gadgets}/same")[0] == 200
    assert widgets.get(f"{WIDGETS}/same")[0] == 200


def test_a_table_has_the_columns_of_the_definition(widgets):
    widgets.created(WIDGETS, widget(spec={"size": 7, "parts": [{"name": "x"}, {"name": "y"}]}))
    table = widgets.get(WIDGETS, accept=TABLE)[1]
    assert [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]] == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Parts", "string", 1),
        ("Ready", "date", 0),
    ]
    assert table["rows"][0]["cells"] == ["one", 7, "x y", None]


# -- versions


def two_versions() -> Any:
    old = version("v1beta1", storage=False, deprecated=True, additionalPrinterColumns=None)
    return definition(versions=[old, version()])


def test_versions_differ_in_api_version_only(api):
    api.created(DEFINITIONS, two_versions())
    beta = WIDGETS.replace("/v1/", "/v1beta1/")
    made = api.created(beta, widget(version="v1beta1"))
    assert made["apiVersion"] == "example.com/v1beta1"
    assert "example.com/v1beta1 Widget is deprecated" in api.headers["Warning"]
    assert api.get(f"{WIDGETS}/one")[1]["apiVersion"] == "example.com/v1"
    assert "Warning" not in api.headers
    changed = api.patch(f"{beta}/one", {"spec": {"size": 4}})[1]
    assert (changed["apiVersion"], changed["spec"]["size"], changed["metadata"]["generation"]) == (
        "example.com/v1beta1",
        4,
        2,
    )
    assert [each["apiVersion"] for each in api.get(beta)[1]["items"]] == ["example.com/v1beta1"]
    assert [each["name"] for each in api.get(beta, accept=TABLE)[1]["columnDefinitions"]] == ["Name", "Age"]
    code, answer = api.post(WIDGETS, widget("two", version="v1beta1"))
    assert code == 400, answer


def test_another_version_may_become_the_stored_one(api):
    wire = two_versions()
    api.created(DEFINITIONS, wire)
    api.created(WIDGETS, widget())
    wire["spec"]["versions"][0]["storage"], wire["spec"]["versions"][1]["storage"] = True, False
    code, changed = api.put(WIDGET_DEFINITION, wire)
    assert (code, changed["status"]["storedVersions"]) == (200, ["v1", "v1beta1"])
    assert api.get(f"{WIDGETS}/one")[1]["apiVersion"] == "example.com/v1"
    wire["spec"]["versions"].pop()
    code, answer = api.put(WIDGET_DEFINITION, wire)
    assert (code, fields(answer)) == (422, {"status.storedVersions[0]"})


def test_a_default_that_is_new_shows_in_objects_that_are_old(widgets):
    widgets.created(WIDGETS, widget())
    changed = widgets.get(WIDGET_DEFINITION)[1]
    schema = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["shape"] = {"type": "string", "default": "round"}
    assert widgets.put(WIDGET_DEFINITION, changed)[0] == 200
    assert widgets.get(f"{WIDGETS}/one")[1]["spec"]["shape"] == "round"
    assert widgets.get(WIDGETS)[1]["items"][0]["spec"]["shape"] == "round"


# -- discovery and OpenAPI


def test_it_is_discovered(widgets):
    groups = {each["name"]: each for each in widgets.get("/apis")[1]["groups"]}
    assert groups["example.com"]["preferredVersion"]["version"] == "v1"
    resources = {each["name"]: each for each in widgets.get("/apis/example.com/v1")[1]["resources"]}
    assert resources["widgets"]["shortNames"] == ["wd"]
    assert resources["widgets/scale"]["group"] == "autoscaling"
    (item,) = [
        each
        for each in widgets.get("/apis", accept=AGGREGATED_TYPE)[1]["items"]
        if each["metadata"]["name"] == "example.com"
    ]
    (resource,) = item["versions"][0]["resources"]
    assert (resource["resource"], resource["scope"], resource["categories"]) == ("widgets", "Namespaced", ["all"])
    assert widgets.get("/apis/example.com")[1]["kind"] == "APIGroup"


def test_its_schema_is_published_and_changes_with_the_definition(widgets):
    index = widgets.get("/openapi/v3")[1]["paths"]["apis/example.com/v1"]["serverRelativeURL"]
    document = widgets.get(index)[1]
    schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["size"]["description"] == "How large it is."
    assert schema["x-kubernetes-group-version-kind"] == [{"group": "example.com", "version": "v1", "kind": "Widget"}]
    item = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]
    # kubectl would compute list merging from a schema that does not say how.
    assert "application/strategic-merge-patch+json" not in item["patch"]["requestBody"]["content"]
    changed = widgets.get(WIDGET_DEFINITION)[1]
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "A widget."
    widgets.put(WIDGET_DEFINITION, changed)
    assert widgets.get("/openapi/v3")[1]["paths"]["apis/example.com/v1"]["serverRelativeURL"] != index


# -- rights


@pytest.mark.parametrize(
    ("role", "where", "get", "create", "define"),
    [
        ("view", "default", 200, 403, 403),
        ("edit", "default", 200, 201, 403),
        ("edit", "other", 403, 403, 403),
        ("admin", "", 200, 201, 201),
    ],
)
def test_roles_hold_as_for_kinds_that_are_built_in(widgets, role, where, get, create, define):
    user = User.objects.create(username="alice")
    Grant.objects.create(user=user, role=role, namespace=where)
    alice = Api(tokens.issue_for_user(user, "tests"))
    assert alice.get(WIDGETS)[0] == get
    assert alice.post(WIDGETS, widget("hers"))[0] == create
    assert alice.post(DEFINITIONS, definition("gadgets"))[0] == define


# -- ends


def exists(name: str) -> bool:
    kind = definitions.by_kind("example.com/v1", "Widget")
    assert kind is not None
    try:
        objects.get(kind, "default", name)
    except NotFound:
        return False
    return True


@committing
def test_a_definition_takes_its_objects_along_and_waits_for_their_finalizers(widgets):
    widgets.created(WIDGETS, widget("free"))
    widgets.created(WIDGETS, widget("held", metadata={"finalizers": ["example.com/hold"]}))
    with pumping() as pump:
        widgets.delete(WIDGET_DEFINITION)
        pump.settle()
        left = widgets.get(WIDGET_DEFINITION)[1]
        assert condition(left, "Terminating")["message"] == "1 objects remain"
        assert [each["metadata"]["name"] for each in widgets.get(WIDGETS)[1]["items"]] == ["held"]
        assert widgets.post(WIDGETS, widget("late"))[0] == 405
        widgets.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
        pump.settle()
    assert widgets.get(WIDGET_DEFINITION)[0] == 404
    assert widgets.get(WIDGETS)[0] == 404
    widgets.created(DEFINITIONS, definition())
    assert widgets.get(WIDGETS)[1]["items"] == []


def test_a_cleanup_that_was_interrupted_is_found_by_the_full_pass(widgets):
    widgets.created(WIDGETS, widget())
    widgets.delete(WIDGET_DEFINITION)  # nobody was told
    from controlplane.controllers.registry import CONTROLLERS

    controller = CONTROLLERS["customresourcedefinition"]
    for _ in range(3):
        for key in controller.all_keys():
            controller.reconcile(*key)
    assert widgets.get(WIDGET_DEFINITION)[0] == 404


def reference(owner: Any) -> dict[str, Any]:
    metadata = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], **metadata, "blockOwnerDeletion": True}


@committing
@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_it_owns_and_is_owned(widgets, policy):
    maps = "/api/v1/namespaces/default/configmaps"
    with pumping() as pump:
        top = widgets.created(maps, config_map("top"))
        middle = widgets.created(WIDGETS, widget("middle", metadata={"ownerReferences": [reference(top)]}))
        below = config_map("below")
        below["metadata"]["ownerReferences"] = [reference(middle)]
        widgets.created(maps, below)
        pump.settle()
        assert exists("middle")
        widgets.delete(f"{maps}/top", {"propagationPolicy": policy})
        pump.settle()
        assert not exists("middle")
        assert widgets.get(f"{maps}/below")[0] == widgets.get(f"{maps}/top")[0] == 404


@committing
def test_a_namespace_takes_them_along(widgets):
    namespace("shop")
    with pumping() as pump:
        widgets.created(WIDGETS.replace("default", "shop"), widget())
        widgets.delete("/api/v1/namespaces/shop")
        pump.settle()
    assert widgets.get("/api/v1/namespaces/shop")[0] == 404
    assert widgets.get("/apis/example.com/v1/widgets")[1]["items"] == []


def test_they_count_in_a_quota(widgets):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    widgets.created(
        "/api/v1/namespaces/default/resourcequotas", {**quota, "spec": {"hard": {"count/widgets.example.com": "1"}}}
    )
    widgets.created(WIDGETS, widget("one"))
    assert widgets.post(WIDGETS, widget("two"))[0] == 403


# -- watches


@committing
async def test_a_watch_tells_in_the_version_it_was_asked_in():
    process.feed = feed.start()
    try:
        client = AsgiClient(Handler(), await sync_to_async(administrator_token)())
        assert (await client.send("POST", DEFINITIONS, two_versions()))[0] == 201
        beta = WIDGETS.replace("/v1/", "/v1beta1/")
        assert (await client.send("POST", WIDGETS, widget()))[0] == 201
        async with client.open(f"{beta}?watch=true&fieldSelector=spec.color%3Dred") as watch:
            first = await watch.line()
            await client.send(
                "PATCH", f"{WIDGETS}/one", {"spec": {"color": "green"}}, media="application/merge-patch+json"
            )
            left = await watch.line()
        assert (first["type"], first["object"]["apiVersion"]) == ("ADDED", "example.com/v1beta1")
        assert (left["type"], left["object"]["apiVersion"]) == ("DELETED", "example.com/v1beta1")
    finally:
        await feed.stop()
        process.feed = None


def test_columns_are_those_of_the_kind_as_it_is_now(widgets):
    kind = definitions.by_kind("example.com/v1", "Widget")
    assert kind is not None
    assert tables.columns_of(kind) is tables.columns_of(kind)
    assert kinds.by_kind("example.com/v1", "Widget") is None
