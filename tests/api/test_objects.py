"""Create, read, replace, patch and delete through the views."""

from __future__ import annotations

import re

import pytest

from tests.api.client import CONFIG_MAPS, JSON_PATCH, PODS, STRATEGIC, Api, config_map, pod

# -- create


def test_a_created_object_comes_back_as_stored(api: Api):
    code, made = api.post(PODS, pod())
    assert code == 201
    assert made["metadata"]["namespace"] == "default"
    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"].isdecimal()
    assert made["metadata"]["generation"] == 1
    assert made["status"]["phase"] == "Pending"
    assert made["spec"]["serviceAccountName"] == "default"
    assert api.get(f"{PODS}/web") == (200, made)


def test_a_writer_cannot_choose_what_is_the_servers(api: Api):
    metadata = {"uid": "mine", "generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z"}
    made = api.created(PODS, pod(metadata=metadata, status={"phase": "Running"}))
    assert made["metadata"]["uid"] != "mine"
    assert made["metadata"]["generation"] == 1
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    assert made["status"]["phase"] == "Pending"


def test_a_node_may_come_with_its_status(api: Api):
    made = api.created("/api/v1/nodes", {"metadata": {"name": "n1"}, "status": {"capacity": {"cpu": "2"}}})
    assert made["status"]["capacity"] == {"cpu": "2"}
    assert (made["kind"], made["apiVersion"]) == ("Node", "v1")


def test_generate_name_makes_names_that_differ(api: Api):
    names = {
        api.created(PODS, pod(metadata={"name": "", "generateName": "job-"}))["metadata"]["name"] for _ in range(5)
    }
    assert len(names) == 5
    assert all(re.fullmatch(r"job-[a-z0-9]{5}", name) for name in names)


def test_a_name_is_taken_once(api: Api):
    api.created(PODS, pod())
    code, status = api.post(PODS, pod())
    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["details"] == {"name": "web", "kind": "pods"}


def test_creating_in_a_namespace_that_is_not_there_says_so(api: Api):
    code, status = api.post("/api/v1/namespaces/nowhere/pods", pod())
    assert (code, status["message"]) == (404, 'namespaces "nowhere" not found')


def test_a_new_object_has_no_resource_version(api: Api):
    code, status = api.post(PODS, pod(metadata={"resourceVersion": "5"}))
    assert (code, status["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "Service"},
        {"apiVersion": "v2"},
        {"metadata": {"name": "web", "namespace": "kube-system"}},
    ],
)
def test_a_body_that_contradicts_its_path_is_refused(api: Api, changes: dict[str, object]):
    code, status = api.post(PODS, {**pod(), **changes})
    assert (code, status["reason"]) == (400, "BadRequest")


def test_a_body_without_kind_is_of_the_kind_of_its_path(api: Api):
    code, made = api.post(CONFIG_MAPS, {"metadata": {"name": "bare"}}, media=None)
    assert (code, made["kind"], made["apiVersion"]) == (201, "ConfigMap", "v1")


def test_a_dry_run_answers_fully_and_stores_nothing(api: Api):
    code, made = api.post(f"{PODS}?dryRun=All", pod())
    assert code == 201
    assert made["metadata"]["uid"]
    assert api.get(f"{PODS}/web")[0] == 404
    api.created(PODS, pod())
    code, patched = api.patch(f"{PODS}/web?dryRun=All", {"metadata": {"labels": {"a": "b"}}})
    assert (code, patched["metadata"]["labels"]) == (200, {"a": "b"})
    assert "labels" not in api.get(f"{PODS}/web")[1]["metadata"]
    assert api.delete(f"{PODS}/web?dryRun=All")[0] == 200
    assert api.get(f"{PODS}/web")[0] == 200


def test_yaml_is_as_good_as_json(api: Api):
    text = b"metadata: {name: y}\ndata:\n  a: 'b'\n"
    code, made = api.post(CONFIG_MAPS, text, media="application/yaml")
    assert (code, made["data"]) == (201, {"a": "b"})


# -- field validation


def test_unknown_and_repeated_fields_are_warned_of_by_default(api: Api):
    raw = b'{"metadata":{"name":"w"},"data":{"a":"1"},"data":{"a":"2"},"colour":"red"}'
    code, made = api.post(CONFIG_MAPS, raw)
    assert (code, made["data"]) == (201, {"a": "2"})
    assert "colour" not in made
    warning = api.headers["Warning"]
    assert '299 - "unknown field \\"colour\\""' in warning
    assert '299 - "duplicate field \\"data\\""' in warning


def test_strict_validation_refuses_unknown_fields(api: Api):
    body = pod(spec={"containers": [{"name": "main", "image": "a", "imagee": "b"}]})
    code, status = api.post(f"{PODS}?fieldValidation=Strict", body)
    assert code == 400
    assert 'strict decoding error: unknown field "spec.containers[0].imagee"' in status["message"]


def test_validation_can_be_told_to_ignore_unknown_fields(api: Api):
    assert api.post(f"{CONFIG_MAPS}?fieldValidation=Ignore", {**config_map(), "colour": 1})[0] == 201
    assert "Warning" not in api.headers


def test_patches_are_validated_for_unknown_fields(api: Api):
    api.created(CONFIG_MAPS, config_map())
    code, status = api.patch(f"{CONFIG_MAPS}/settings?fieldValidation=Strict", {"colour": 1})
    assert (code, status["reason"]) == (400, "BadRequest")


# -- replace


def test_replace_keeps_identity_and_status(api: Api):
    made = api.created(PODS, pod())
    changed = pod(metadata={"labels": {"a": "b"}}, status={"phase": "Failed"})
    changed["spec"] = made["spec"]
    code, after = api.put(f"{PODS}/web", changed)
    assert code == 200, after
    assert after["metadata"]["uid"] == made["metadata"]["uid"]
    assert after["metadata"]["labels"] == {"a": "b"}
    assert after["status"] == made["status"]
    assert int(after["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])


def test_replace_with_a_stale_version_is_a_conflict(api: Api):
    first = api.created(CONFIG_MAPS, config_map(a="1"))
    assert api.put(f"{CONFIG_MAPS}/settings", {**first, "data": {"a": "2"}})[0] == 200
    code, status = api.put(f"{CONFIG_MAPS}/settings", {**first, "data": {"a": "3"}})
    assert (code, status["reason"]) == (409, "Conflict")
    assert "the object has been modified" in status["message"]
    assert api.put(f"{CONFIG_MAPS}/settings", config_map(a="4"))[1]["data"] == {"a": "4"}


def test_replace_with_another_uid_is_a_conflict(api: Api):
    api.created(CONFIG_MAPS, config_map())
    code, status = api.put(f"{CONFIG_MAPS}/settings", {"metadata": {"name": "settings", "uid": "other"}})
    assert (code, status["reason"]) == (409, "Conflict")


def test_a_write_that_changes_nothing_takes_no_revision(api: Api):
    made = api.created(CONFIG_MAPS, config_map(a="1"))
    assert api.put(f"{CONFIG_MAPS}/settings", made) == (200, made)
    assert api.patch(f"{CONFIG_MAPS}/settings", {"data": {"a": "1"}}) == (200, made)


def test_replace_needs_the_name_of_its_path(api: Api):
    api.created(CONFIG_MAPS, config_map())
    assert api.put(f"{CONFIG_MAPS}/settings", config_map("other"))[0] == 400
    assert api.put(f"{CONFIG_MAPS}/missing", config_map("missing"))[0] == 404


def test_generation_counts_changes_of_the_spec_only(api: Api):
    made = api.created(PODS, pod())
    code, labelled = api.patch(f"{PODS}/web", {"metadata": {"labels": {"a": "b"}}})
    assert (code, labelled["metadata"]["generation"]) == (200, 1)
    images = {"spec": {"containers": [{**made["spec"]["containers"][0], "image": "busybox:2"}]}}
    assert api.patch(f"{PODS}/web", images)[1]["metadata"]["generation"] == 2


# -- patch


def test_a_strategic_patch_merges_containers_by_name(api: Api):
    api.created(PODS, pod())
    patch = {"spec": {"containers": [{"name": "main", "image": "busybox:2"}]}}
    code, after = api.patch(f"{PODS}/web", patch, media=STRATEGIC)
    assert code == 200, after
    assert after["spec"]["containers"][0]["image"] == "busybox:2"
    assert after["spec"]["containers"][0]["terminationMessagePath"]


def test_tolerations_that_every_pod_gets_stay_when_its_own_are_applied_again(api: Api):
    own = [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]
    made = api.created(PODS, pod(spec={"tolerations": own}))
    assert len(made["spec"]["tolerations"]) == 3
    assert api.patch(f"{PODS}/web", {"spec": {"tolerations": own}}) == (200, made)
    code, answer = api.patch(f"{PODS}/web", {"spec": {"tolerations": None}})
    assert (code, answer["details"]["causes"][0]["field"]) == (422, "spec.tolerations")
    assert api.patch(f"{PODS}/web", {"spec": {"tolerations": ["rubbish"]}})[0] in (400, 422)


def test_a_json_patch_is_applied_in_order(api: Api):
    api.created(CONFIG_MAPS, config_map(a="1"))
    operations = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"}]
    code, after = api.patch(f"{CONFIG_MAPS}/settings", operations, media=JSON_PATCH)
    assert (code, after["data"]) == (200, {"a": "1", "b": "2"})
    code, status = api.patch(
        f"{CONFIG_MAPS}/settings", [{"op": "test", "path": "/data/a", "value": "9"}], media=JSON_PATCH
    )
    assert (code, status["reason"]) == (422, "Invalid")


def test_a_resource_version_in_a_patch_is_a_precondition(api: Api):
    made = api.created(CONFIG_MAPS, config_map())
    version = made["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version}, "data": {"a": "1"}}
    assert api.patch(f"{CONFIG_MAPS}/settings", patch)[0] == 200
    assert api.patch(f"{CONFIG_MAPS}/settings", patch)[1]["reason"] == "Conflict"


@pytest.mark.parametrize(
    ("patch", "media", "code"),
    [
        ([], "application/merge-patch+json", 400),
        ({}, JSON_PATCH, 400),
        ("text", STRATEGIC, 400),
        ([{"op": "replace", "path": "", "value": 5}], JSON_PATCH, 400),
        ({"kind": "Secret"}, "application/merge-patch+json", 400),
        ({"metadata": {"name": "other"}}, "application/merge-patch+json", 400),
        ({"metadata": 5}, "application/merge-patch+json", 422),
        ({"metadata": None}, "application/merge-patch+json", 200),
        ({"data": {"a": 5}}, "application/merge-patch+json", 422),
        ({}, "application/apply-patch+yaml", 415),
        ({}, "application/json", 415),
    ],
)
def test_a_patch_that_cannot_be(api: Api, patch: object, media: str, code: int):
    api.created(CONFIG_MAPS, config_map())
    assert api.patch(f"{CONFIG_MAPS}/settings", patch, media=media)[0] == code


def test_managed_fields_are_accepted_and_not_kept(api: Api):
    api.created(CONFIG_MAPS, config_map())
    patch = [{"op": "add", "path": "/metadata/managedFields", "value": [{}]}]
    code, after = api.patch(f"{CONFIG_MAPS}/settings", patch, media=JSON_PATCH)
    assert code == 200
    assert "managedFields" not in after["metadata"]


# -- subresources


def test_the_status_subresource_writes_the_status_alone(api: Api):
    api.created(PODS, pod())
    change = {"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "x"}, "status": {"phase": "Running"}}
    code, after = api.patch(f"{PODS}/web/status", change)
    assert code == 200, after
    assert after["status"]["phase"] == "Running"
    assert "labels" not in after["metadata"]
    assert "nodeName" not in after["spec"]
    assert api.get(f"{PODS}/web/status")[1]["status"]["phase"] == "Running"


def test_a_subresource_that_a_kind_has_not_is_not_found(api: Api):
    api.created(CONFIG_MAPS, config_map())
    assert api.get(f"{CONFIG_MAPS}/settings/status")[0] == 404


def test_binding_places_a_pod_once(api: Api):
    api.created(PODS, pod())
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": {"name": "n1"}}
    code, answer = api.post(f"{PODS}/web/binding", binding)
    assert (code, answer["kind"]) == (201, "Binding")
    placed = api.get(f"{PODS}/web")[1]
    assert placed["spec"]["nodeName"] == "n1"
    assert {"PodScheduled"} <= {each["type"] for each in placed["status"]["conditions"]}
    other = {**binding, "target": {"name": "n2"}}
    assert api.post(f"{PODS}/web/binding", other)[1]["reason"] == "Conflict"
    assert api.post(f"{PODS}/web/binding", {**binding, "target": {}})[0] == 422
    assert api.post(f"{PODS}/missing/binding", binding)[0] == 404


def test_eviction_deletes_with_grace(api: Api):
    api.created(PODS, pod(spec={"nodeName": "n1"}))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    options = {"deleteOptions": {"gracePeriodSeconds": 7}}
    code, answer = api.post(f"{PODS}/web/eviction", {**eviction, **options})
    assert (code, answer["status"]) == (201, "Success")
    going = api.get(f"{PODS}/web")[1]["metadata"]
    assert going["deletionTimestamp"]
    assert going["deletionGracePeriodSeconds"] == 7


# -- delete


def test_deleting_answers_with_the_object_or_a_status_as_clients_expect(api: Api):
    made = api.created(PODS, pod())
    code, gone = api.delete(f"{PODS}/web")
    assert (code, gone["kind"], gone["metadata"]["uid"]) == (200, "Pod", made["metadata"]["uid"])
    made = api.created(CONFIG_MAPS, config_map())
    code, status = api.delete(f"{CONFIG_MAPS}/settings", {"propagationPolicy": "Background"})
    assert (code, status["kind"], status["status"]) == (200, "Status", "Success")
    assert status["details"]["uid"] == made["metadata"]["uid"]
    assert api.get(f"{CONFIG_MAPS}/settings")[0] == 404


def test_a_placed_pod_is_deleted_with_grace_or_at_once(api: Api):
    api.created(PODS, pod(spec={"nodeName": "n1"}))
    code, going = api.delete(f"{PODS}/web?gracePeriodSeconds=5")
    assert (code, going["metadata"]["deletionGracePeriodSeconds"]) == (200, 5)
    assert going["metadata"]["deletionTimestamp"]
    assert api.delete(f"{PODS}/web", {"gracePeriodSeconds": 0})[0] == 200
    assert api.get(f"{PODS}/web")[0] == 404


def test_delete_preconditions_hold(api: Api):
    made = api.created(CONFIG_MAPS, config_map())
    code, status = api.delete(f"{CONFIG_MAPS}/settings", {"preconditions": {"uid": "another"}})
    assert (code, status["reason"]) == (409, "Conflict")
    good = {"preconditions": {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}}
    assert api.delete(f"{CONFIG_MAPS}/settings", good)[0] == 200


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"propagationPolicy": "Sideways"}, 422),
        ({"gracePeriodSeconds": "soon"}, 422),
        ({"dryRun": ["Some"]}, 422),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422),
        ({"kind": "Pod"}, 400),
        ([], 400),
        ({"preconditions": 7}, 422),
    ],
)
def test_delete_options_that_cannot_be(api: Api, options: object, code: int):
    api.created(CONFIG_MAPS, config_map())
    assert api.delete(f"{CONFIG_MAPS}/settings", options)[0] == code
    assert api.get(f"{CONFIG_MAPS}/settings")[0] == 200


def test_finalizers_hold_an_object_until_they_are_gone(api: Api):
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.created(CONFIG_MAPS, body)
    assert api.delete(f"{CONFIG_MAPS}/settings")[0] == 200
    assert api.get(f"{CONFIG_MAPS}/settings")[1]["metadata"]["deletionTimestamp"]
    assert api.patch(f"{CONFIG_MAPS}/settings", {"metadata": {"finalizers": None}})[0] == 200
    assert api.get(f"{CONFIG_MAPS}/settings")[0] == 404


def test_a_collection_is_deleted_by_selector(api: Api):
    for name in ("a", "b", "c"):
        body = config_map(name)
        body["metadata"]["labels"] = {"group": "x" if name != "c" else "y"}
        api.created(CONFIG_MAPS, body)
    code, status = api.delete(f"{CONFIG_MAPS}?labelSelector=group%3Dx")
    assert (code, status["status"]) == (200, "Success")
    assert [each["metadata"]["name"] for each in api.get(CONFIG_MAPS)[1]["items"]] == ["c"]


def test_a_deleted_namespace_terminates(api: Api):
    assert api.post("/api/v1/namespaces", {"metadata": {"name": "team"}})[0] == 201
    api.created("/api/v1/namespaces/team/configmaps", config_map())
    code, _ = api.delete("/api/v1/namespaces/team")
    assert code == 200
    assert api.get("/api/v1/namespaces/team")[1]["status"]["phase"] == "Terminating"
    code, status = api.post("/api/v1/namespaces/team/configmaps", config_map("late"))
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
